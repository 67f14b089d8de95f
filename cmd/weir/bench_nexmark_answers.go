package main

import "strings"

// nexmarkSQL are the answers to the queries, in DuckDB's words over all events at once, with the columns in the order of the pipelines.
var nexmarkSQL = map[string]string{
	"q0": `SELECT auction, bidder, price, datetime, extra FROM bid`,
	"q1": `SELECT auction, bidder, (price * 908)::DECIMAL(22, 0) / 1000::DECIMAL(22, 3), datetime, extra FROM bid`,
	"q2": `SELECT auction, price FROM bid WHERE auction % 123 = 0`,
	"q3": `SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')`,
	"q4": `SELECT category, avg(final) FROM (` + nexmarkWon + `) GROUP BY category`,
	"q5": `FROM (SELECT auction, count(*) AS num, s FROM (
			SELECT auction, unnest([time_bucket(INTERVAL '2 seconds', datetime) - INTERVAL '2 seconds' * i FOR i IN range(5)]) AS s FROM bid
		) GROUP BY s, auction) QUALIFY num = max(num) OVER (PARTITION BY s)`,
	"q6": `SELECT seller, avg(final) FROM (
			SELECT *, row_number() OVER (PARTITION BY seller ORDER BY expires DESC, final DESC) AS n FROM (` + nexmarkWon + `)
		) WHERE n <= 10 GROUP BY seller`,
	"q7": `SELECT auction, price, bidder, datetime, extra FROM bid
		QUALIFY price = max(price) OVER (PARTITION BY time_bucket(INTERVAL '10 seconds', datetime))`,
	"q8": `SELECT DISTINCT p.id, p.name, time_bucket(INTERVAL '10 seconds', p.datetime) AS s FROM person p JOIN auction a
		ON p.id = a.seller AND time_bucket(INTERVAL '10 seconds', p.datetime) = time_bucket(INTERVAL '10 seconds', a.datetime)`,
	"q9": `SELECT a.*, b.auction, b.bidder, b.price, b.datetime, b.extra FROM auction a JOIN bid b ON a.id = b.auction AND b.datetime BETWEEN a.datetime AND a.expires
		QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.datetime) = 1`,
	"q10": `SELECT auction, bidder, price, datetime, extra, strftime(datetime, '%Y-%m-%d'), strftime(datetime, '%H:%M') FROM bid`,
	"q11": `SELECT bidder, count(*), min(datetime), max(datetime) + INTERVAL '10 seconds' FROM (
			SELECT *, sum(starts::INT) OVER (PARTITION BY bidder ORDER BY datetime) AS session FROM (
				SELECT bidder, datetime, coalesce(datetime >= lag(datetime) OVER (PARTITION BY bidder ORDER BY datetime) + INTERVAL '10 seconds', true) AS starts FROM bid
		)) GROUP BY bidder, session`,
	"q12": `SELECT bidder, count(*) FROM bid GROUP BY bidder`,
	"q13": `SELECT auction, bidder, price, datetime, (auction % 10000)::VARCHAR FROM bid`,
	"q14": `SELECT auction, bidder, (price * 908)::DECIMAL(22, 0) / 1000::DECIMAL(22, 3) AS euros,
			CASE WHEN hour(datetime) BETWEEN 8 AND 18 THEN 'dayTime' WHEN hour(datetime) <= 6 OR hour(datetime) >= 20 THEN 'nightTime' ELSE 'otherTime' END,
			datetime, extra, len(list_filter(string_split(extra, ''), lambda x: x = 'c'))
		FROM bid WHERE price * 908 > 1000000000 AND price * 908 < 50000000000`,
	"q15": `SELECT strftime(datetime, '%Y-%m-%d') AS d, ` + nexmarkRanks + nexmarkDistinct + ` FROM bid GROUP BY d`,
	"q16": `SELECT channel, strftime(datetime, '%Y-%m-%d') AS d, max(strftime(datetime, '%H:%M')), ` + nexmarkRanks + nexmarkDistinct + ` FROM bid GROUP BY channel, d`,
	"q17": `SELECT auction, strftime(datetime, '%Y-%m-%d') AS d, ` + nexmarkRanks + `, min(price), max(price), avg(price), sum(price) FROM bid GROUP BY auction, d`,
	"q18": `SELECT auction, bidder, price, channel, url, datetime, extra FROM bid
		QUALIFY row_number() OVER (PARTITION BY bidder, auction ORDER BY datetime DESC, price DESC, channel DESC, url DESC, extra DESC) = 1`,
	"q19": `SELECT auction, list({bidder: bidder, price: price, channel: channel, url: url, datetime: datetime, extra: extra}
		ORDER BY price DESC, bidder DESC, channel DESC, url DESC, datetime DESC, extra DESC)[:10] FROM bid GROUP BY auction`,
	"q20": `SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.datetime, b.extra, a.itemname, a.description, a.initialbid, a.reserve, a.datetime, a.expires,
		a.seller, a.category, a.extra FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10`,
	"q21": `FROM (SELECT auction, bidder, price, channel, coalesce(map {'apple': '0', 'google': '1', 'facebook': '2', 'baidu': '3'}[lower(channel)],
		nullif(regexp_extract(url, 'channel_id=([^&]*)', 1), '')) AS id FROM bid) WHERE id IS NOT NULL`,
	"q22": `SELECT auction, bidder, price, channel, string_split(url, '/')[4], string_split(url, '/')[5], string_split(url, '/')[6] FROM bid`,
	"q23": `SELECT b.bidder, b.price, b.channel, b.url, b.extra, p.id, p.name, p.emailaddress, p.creditcard, p.city, p.state, p.extra, a.itemname, a.description,
		a.initialbid, a.reserve, a.datetime, a.expires, a.seller, a.category, a.extra FROM bid b, person p, auction a WHERE p.id = b.bidder AND a.seller = b.bidder`,
}

// nexmarkResult is what is compared with the answer, where it is not the table as it stands: when events arrived is not known beforehand.
var nexmarkResult = map[string]string{"q12": `SELECT bidder, sum(bid_count) FROM result GROUP BY bidder`}

// nexmarkWon is the highest bid of each auction while it was open.
const nexmarkWon = `SELECT a.id, a.seller, a.category, a.expires, max(b.price) AS final FROM auction a, bid b
	WHERE a.id = b.auction AND b.datetime BETWEEN a.datetime AND a.expires GROUP BY ALL`

// nexmarkRanks counts bids by level of price.
const nexmarkRanks = `count(*), sum((price < 10000)::INT), sum((price >= 10000 AND price < 1000000)::INT), sum((price >= 1000000)::INT)`

// nexmarkDistinct counts bidders and auctions in the same way.
var nexmarkDistinct = strings.ReplaceAll(nexmarkDistinctOf, "X", "bidder") + strings.ReplaceAll(nexmarkDistinctOf, "X", "auction")

const nexmarkDistinctOf = `, count(DISTINCT X), count(DISTINCT CASE WHEN price < 10000 THEN X END),
	count(DISTINCT CASE WHEN price >= 10000 AND price < 1000000 THEN X END), count(DISTINCT CASE WHEN price >= 1000000 THEN X END)`
