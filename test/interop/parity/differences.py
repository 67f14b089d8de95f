"""Why a case differs, where it is meant to."""

UNMATCHED = (
    "a row that is not late by the watermark of the batch before, but behind that of its batch, and finds no partner: Spark neither drops it as late nor "
    "gives it; weir gives it with nulls at once, so that every row that was not late is in the result"
)

ONE_BATCH = (
    "two rows of one batch that are behind its watermark, though not late by that of the batch before: Spark keeps neither and does not find the pair; weir "
    "gives every pair of rows that were not late"
)

BEFORE_1970 = "Spark's first watermark is 1970-01-01, and what ended before is late from the start; weir has none before the first rows have come"

DIFFERENCES = {
    "join-left-watermark-right": "Spark takes the query, but never gives left rows without a partner, as a side without a watermark of its own is kept for ever; weir gives "
    "them when the right side's watermark says that they are final",
    "join-of-windows": ONE_BATCH,
    "join-of-aggregates": ONE_BATCH + ". Final windows of both sides come in one batch: Spark gives no row at all",
    "three-way-join": "weir drops rows of a source that are late by that source's watermark; Spark takes them for as long as the joins below hold the watermark of the upper one back",
    **{"before-1970-" + name: BEFORE_1970 for name in ("tumbling", "sliding", "offset", "week", "session")},
    "no-keys-update": "when the watermark rises, Spark gives the total of no groups again in a batch without data; weir gives rows that changed",
    "update-without-keys": "Spark gives changed rows that do not say of which group they are; weir refuses, since no sink could put them in place",
    "session": "Spark refuses sessions without another key; weir takes them",
    "session-complete": "Spark drops late rows of sessions in complete mode too; weir drops none in complete mode, as both do for other windows",
    "join-left": UNMATCHED,
    "join-right": UNMATCHED,
    "join-full": UNMATCHED,
}
