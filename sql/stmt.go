package sql

// Statement is a parsed statement of either of Athena's grammars.
type Statement interface{ statement() }

// Queries and what wraps them: Trino's grammar.
type (
	// SelectStmt is a query.
	SelectStmt struct{ Query *Query }
	// CreateTableAs is CREATE TABLE … AS query.
	CreateTableAs struct {
		Name        Name
		IfNotExists bool
		Properties  []Property
		Query       *Query
		NoData      bool
	}
	// CreateView is CREATE [OR REPLACE] VIEW. Text is the query as written.
	CreateView struct {
		Name      Name
		OrReplace bool
		Query     *Query
		Text      string
	}
	// Insert is INSERT INTO … query.
	Insert struct {
		Table   Name
		Columns []Ident
		Query   *Query
	}
	// Unload is UNLOAD (query) TO location WITH (…).
	Unload struct {
		Query      *Query
		To         string
		Properties []Property
	}
	// Prepare is PREPARE name FROM statement. Text is the statement as written.
	Prepare struct {
		Name Ident
		Text string
	}
	// Execute is EXECUTE name [USING …].
	Execute struct {
		Name  Ident
		Using []Expr
	}
	// Deallocate is DEALLOCATE PREPARE name.
	Deallocate struct{ Name Ident }
	// Explain is EXPLAIN [ANALYZE] statement. Options are kept as written, in upper case: "FORMAT JSON".
	Explain struct {
		Analyze bool
		Options []string
		Stmt    Statement
	}
)

// Changes of rows and files: Trino's grammar, Athena's for OPTIMIZE and VACUUM.
type (
	// Delete is DELETE FROM table [WHERE …].
	Delete struct {
		Table Name
		Where Expr
	}
	// Update is UPDATE table SET … [WHERE …].
	Update struct {
		Table Name
		Set   []Assignment
		Where Expr
	}
	// Merge is MERGE INTO table USING source ON … WHEN ….
	Merge struct {
		Table  Name
		Alias  *Ident
		Source Relation
		On     Expr
		Whens  []MergeWhen
	}
	// Optimize is OPTIMIZE table REWRITE DATA USING BIN_PACK [WHERE …].
	Optimize struct {
		Table Name
		Where Expr
	}
	// Vacuum is VACUUM table.
	Vacuum struct{ Table Name }
)

// Assignment is column = value of SET.
type Assignment struct {
	Column Ident
	X      Expr
}

// MergeWhen is one WHEN of a Merge: an update or a delete of rows that matched, an insert of those that did not.
type MergeWhen struct {
	Matched bool
	And     Expr // nil: always
	Delete  bool
	Set     []Assignment
	Columns []Ident // of an insert; empty: all
	Values  []Expr
}

// Property is one name = value of WITH (…).
type Property struct {
	Name  Ident
	Value Expr
}

// KeyValue is one 'key' = 'value' of Hive's properties.
type KeyValue struct{ Key, Value string }

// ColumnDef is a column of CREATE TABLE, its type in Hive notation.
type ColumnDef struct {
	Name, Type, Comment string
}

// PartitionValue is one key = value of PARTITION (…).
type PartitionValue struct{ Key, Value string }

// PartitionSpec is PARTITION (…) [LOCATION …].
type PartitionSpec struct {
	Values   []PartitionValue
	Location string
}

// RowFormat is ROW FORMAT SERDE … or ROW FORMAT DELIMITED …. Delimiters that were not given are empty.
type RowFormat struct {
	SerDe      string
	Properties []KeyValue
	Delimited  bool
	Fields, Escape, Collection, MapKeys, Lines,
	Null string
	NullDefined bool // NULL DEFINED AS was given, perhaps with an empty text
}

// Everyday DDL: Hive's grammar.
type (
	// CreateDatabase is CREATE DATABASE|SCHEMA.
	CreateDatabase struct {
		Name              Name
		IfNotExists       bool
		Comment, Location string
		Properties        []KeyValue
	}
	// DropDatabase is DROP DATABASE|SCHEMA.
	DropDatabase struct {
		Name              Name
		IfExists, Cascade bool
	}
	// CreateTable is CREATE [EXTERNAL] TABLE without a query.
	CreateTable struct {
		Name                      Name
		External, IfNotExists     bool
		Columns, PartitionedBy    []ColumnDef
		Comment                   string
		ClusteredBy               []string
		Buckets                   string
		RowFormat                 *RowFormat
		SerDeProperties           []KeyValue // WITH SERDEPROPERTIES after ROW FORMAT SERDE
		StoredAs                  string     // PARQUET …, in upper case
		InputFormat, OutputFormat string
		Location                  string
		Properties                []KeyValue
	}
	// DropTable is DROP TABLE or DROP VIEW.
	DropTable struct {
		Name           Name
		IfExists, View bool
	}
	// AddPartitions is ALTER TABLE … ADD PARTITION ….
	AddPartitions struct {
		Table       Name
		IfNotExists bool
		Partitions  []PartitionSpec
	}
	// DropPartitions is ALTER TABLE … DROP PARTITION ….
	DropPartitions struct {
		Table      Name
		IfExists   bool
		Partitions []PartitionSpec
	}
	// RenamePartition is ALTER TABLE … PARTITION (…) RENAME TO PARTITION (…).
	RenamePartition struct {
		Table    Name
		From, To PartitionSpec
	}
	// AlterColumns is ALTER TABLE … ADD|REPLACE COLUMNS (…).
	AlterColumns struct {
		Table   Name
		Replace bool
		Columns []ColumnDef
	}
	// SetLocation is ALTER TABLE … [PARTITION (…)] SET LOCATION '…'.
	SetLocation struct {
		Table     Name
		Partition *PartitionSpec
		Location  string
	}
	// SetProperties is ALTER TABLE … SET TBLPROPERTIES (…).
	SetProperties struct {
		Table      Name
		Properties []KeyValue
	}
	// RepairTable is MSCK REPAIR TABLE.
	RepairTable struct{ Table Name }
	// Show is any of the SHOW statements.
	Show struct {
		What string // DATABASES, TABLES, VIEWS, COLUMNS, PARTITIONS, CREATE TABLE, CREATE VIEW, TBLPROPERTIES
		Name Name   // table or database; no parts if not given
		Like string // Hive pattern or, for TBLPROPERTIES, the key
	}
	// Describe is DESCRIBE [EXTENDED|FORMATTED] table [PARTITION …] [column], or DESCRIBE VIEW.
	Describe struct {
		Mode      string // "", EXTENDED, FORMATTED
		View      bool
		Table     Name
		Partition *PartitionSpec
		Column    string
	}
)

func (*SelectStmt) statement()      {}
func (*CreateTableAs) statement()   {}
func (*Delete) statement()          {}
func (*Update) statement()          {}
func (*Merge) statement()           {}
func (*Optimize) statement()        {}
func (*Vacuum) statement()          {}
func (*CreateView) statement()      {}
func (*Insert) statement()          {}
func (*Unload) statement()          {}
func (*Prepare) statement()         {}
func (*Execute) statement()         {}
func (*Deallocate) statement()      {}
func (*Explain) statement()         {}
func (*CreateDatabase) statement()  {}
func (*DropDatabase) statement()    {}
func (*CreateTable) statement()     {}
func (*DropTable) statement()       {}
func (*AddPartitions) statement()   {}
func (*DropPartitions) statement()  {}
func (*RenamePartition) statement() {}
func (*AlterColumns) statement()    {}
func (*SetLocation) statement()     {}
func (*SetProperties) statement()   {}
func (*RepairTable) statement()     {}
func (*Show) statement()            {}
func (*Describe) statement()        {}
