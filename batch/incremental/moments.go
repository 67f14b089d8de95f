package incremental

import "fmt"

// Moments of a set of numbers are kept as count, mean and sum of squared distances from the mean, and merged by the formula of Chan,
// Golub and LeVeque, which loses no digits where sums of squares would.

// tame says that a number can be squared. The moments of what holds another are NaN, as the engine fails on them.
func tame(x string) string { return "abs(" + x + ") < 1e150" }

func moments(x string) string {
	x = "CAST(" + x + " AS DOUBLE)"
	return fmt.Sprintf("{'n': count(%[1]s)::DOUBLE, 'm': avg(%[1]s), 's': CASE WHEN bool_and(%[2]s) THEN var_pop(%[1]s) FILTER (WHERE %[2]s) * count(%[1]s) "+
		"WHEN count(%[1]s) > 0 THEN 'NaN'::DOUBLE END}", x, tame(x))
}

const momentsMerge = "list_reduce(list($ ORDER BY $) FILTER (WHERE struct_extract($, 'n') > 0), lambda weir_a, weir_b: {" +
	"'n': weir_a.n + weir_b.n, " +
	"'m': weir_a.m + (weir_b.m - weir_a.m) * weir_b.n / (weir_a.n + weir_b.n), " +
	"'s': weir_a.s + weir_b.s + (weir_b.m - weir_a.m) * (weir_b.m - weir_a.m) * weir_a.n * weir_b.n / (weir_a.n + weir_b.n)})"

// variance is what fn gives of merged moments.
func variance(fn, col string) string {
	n, s := "struct_extract("+col+", 'n')", "struct_extract("+col+", 's')"
	v := fmt.Sprintf("CASE WHEN %s > 1 THEN %s / (%s - 1) END", n, s, n)
	if fn == "var_pop" || fn == "stddev_pop" {
		v = fmt.Sprintf("CASE WHEN %s > 0 THEN %s / %s END", n, s, n)
	}
	if fn[:3] == "std" {
		return "sqrt(" + v + ")"
	}
	return v
}

// comoments are the moments of pairs of which neither is null.
func comoments(y, x string) string {
	cx := fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN CAST(%s AS DOUBLE) END", y, x)
	cy := fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN CAST(%s AS DOUBLE) END", x, y)
	both := tame(cx) + " AND " + tame(cy)
	n := fmt.Sprintf("regr_count(%s, %s)", cy, cx)
	product := func(f, args string) string {
		return fmt.Sprintf("CASE WHEN bool_and(%s) THEN %s(%s) FILTER (WHERE %s) * %s WHEN %s > 0 THEN 'NaN'::DOUBLE END", both, f, args, both, n, n)
	}
	return fmt.Sprintf("{'n': %s::DOUBLE, 'x': avg(%s), 'y': avg(%s), 'xx': %s, 'yy': %s, 'xy': %s}", n, cx, cy,
		product("var_pop", cx), product("var_pop", cy), product("covar_pop", cy+", "+cx))
}

const comomentsMerge = "list_reduce(list($ ORDER BY $) FILTER (WHERE struct_extract($, 'n') > 0), lambda weir_a, weir_b: {" +
	"'n': weir_a.n + weir_b.n, " +
	"'x': weir_a.x + (weir_b.x - weir_a.x) * weir_b.n / (weir_a.n + weir_b.n), " +
	"'y': weir_a.y + (weir_b.y - weir_a.y) * weir_b.n / (weir_a.n + weir_b.n), " +
	"'xx': weir_a.xx + weir_b.xx + (weir_b.x - weir_a.x) * (weir_b.x - weir_a.x) * weir_a.n * weir_b.n / (weir_a.n + weir_b.n), " +
	"'yy': weir_a.yy + weir_b.yy + (weir_b.y - weir_a.y) * (weir_b.y - weir_a.y) * weir_a.n * weir_b.n / (weir_a.n + weir_b.n), " +
	"'xy': weir_a.xy + weir_b.xy + (weir_b.x - weir_a.x) * (weir_b.y - weir_a.y) * weir_a.n * weir_b.n / (weir_a.n + weir_b.n)})"

// covariance is what fn gives of merged comoments.
func covariance(fn, col string) string {
	f := func(name string) string { return "struct_extract(" + col + ", '" + name + "')" }
	slope := fmt.Sprintf("CASE WHEN %s <> 0 THEN %s / %s END", f("xx"), f("xy"), f("xx"))
	switch fn {
	case "corr":
		return fmt.Sprintf("CASE WHEN %[1]s > 0 AND %[2]s > 0 THEN %[3]s / sqrt(%[1]s * %[2]s) END", f("xx"), f("yy"), f("xy"))
	case "covar_pop":
		return fmt.Sprintf("CASE WHEN %s > 0 THEN %s / %s END", f("n"), f("xy"), f("n"))
	case "covar_samp":
		return fmt.Sprintf("CASE WHEN %s > 1 THEN %s / (%s - 1) END", f("n"), f("xy"), f("n"))
	case "regr_slope":
		return slope
	}
	return fmt.Sprintf("%s - (%s) * %s", f("y"), slope, f("x"))
}
