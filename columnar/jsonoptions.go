package columnar

// parseJSONOptions reads options under the names of Spark's JSON reader, and timestampUnit.
func parseJSONOptions(options map[string]string) (JSONOptions, error) {
	var o JSONOptions
	r := newOptionReader("json", options)
	r.pattern("timestampFormat", &o.TimestampFormat)
	r.pattern("dateFormat", &o.DateFormat)
	r.pattern("timestampNTZFormat", &o.TimestampNTZFormat)
	r.unit(&o.TimestampUnit)
	r.zone(&o.Location)
	named := true
	r.boolean("allowNonNumericNumbers", &named)
	o.NoNamedNumbers = !named
	return o, r.done("timestampFormat", "dateFormat", "timestampNTZFormat", "timestampUnit", "timeZone", "allowNonNumericNumbers")
}
