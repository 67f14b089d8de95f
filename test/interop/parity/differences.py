"""Why a case differs, where it is meant to."""

UNMATCHED = (
    "a row that is not late by the watermark of the batch before, but behind that of its batch, and finds no partner: Spark neither drops it as late nor "
    "gives it; weir gives it with nulls at once, so that every row that was not late is in the result"
)

DIFFERENCES = {
    "no-keys-update": "when the watermark rises, Spark gives the total of no groups again in a batch without data; weir gives rows that changed",
    "update-without-keys": "Spark gives changed rows that do not say of which group they are; weir refuses, since no sink could put them in place",
    "session": "Spark refuses sessions without another key; weir takes them",
    "session-complete": "Spark drops late rows of sessions in complete mode too; weir drops none in complete mode, as both do for other windows",
    "join-left": UNMATCHED,
    "join-right": UNMATCHED,
    "join-full": UNMATCHED,
}
