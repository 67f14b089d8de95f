"""The changes that scenarios are made of: one implementation after the other, on the same table."""


def changes(t, peer, n, generation, delete, update):
    """All kinds of changes by one peer. delete and update are a modulus and a rest each."""
    t.append(peer, n, n + 40)
    t.merge(peer, n + 20, n + 60, generation)
    t.delete(peer, *delete)
    t.update(peer, *update, f"{peer} was here")


def changes_of_spark(t, n, *upkeep):
    changes(t, "spark", n, 1, (7, 3), (5, 1))
    t.keep("spark", *(upkeep or ("optimize", "vacuum", "checkpoint")))


def changes_of_delta_rs(t, n, *upkeep):
    changes(t, "delta-rs", n, 2, (11, 5), (6, 2))
    t.keep("delta-rs", *(upkeep or ("optimize", "vacuum", "checkpoint")))


def changes_of_weir(t, n, *upkeep):
    changes(t, "weir", n, 3, (13, 2), (9, 4))
    t.keep("weir", *(upkeep or ("optimize", "vacuum", "checkpoint")))


def alternate(t, creator, by, properties=None):
    """A table that all three change in turn, and weir again."""
    t.create(creator, by, properties)
    t.append(creator, 0, 50)
    changes_of_spark(t, 100)
    t.forget_commits()
    changes_of_weir(t, 200)
    t.forget_commits()
    changes_of_delta_rs(t, 300)
    t.forget_commits()
    t.merge("weir", 350, 400, 3)


def two(t, properties, by=(), creator="spark", **more):
    """A table with features that delta-rs does not write: changed by Spark and weir in turn."""
    t.create(creator, by, properties, **more)
    t.append(creator, 0, 50)
    changes_of_weir(t, 100)
    t.forget_commits()
    changes_of_spark(t, 200)
    t.forget_commits()
    t.merge("weir", 250, 300, 3)
