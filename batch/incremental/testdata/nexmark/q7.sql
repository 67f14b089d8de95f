WITH best AS (
  SELECT window(datetime, '10 seconds') AS w, max(price) AS price FROM bid GROUP BY window(datetime, '10 seconds')
), bids AS (
  SELECT auction, price, bidder, datetime, extra, window(datetime, '10 seconds') AS w FROM bid
)
SELECT b.auction, b.price, b.bidder, b.datetime, b.extra
FROM bids AS b JOIN best ON b.w = best.w AND b.price = best.price
