WITH counts AS (
  SELECT window, auction, count(*) AS num
  FROM bid
  GROUP BY window(datetime, '10 seconds', '2 seconds'), auction
), most AS (
  SELECT window, max(num) AS num FROM counts GROUP BY window
)
SELECT c.window.start AS starttime, c.window.end AS endtime, c.auction, c.num
FROM counts AS c JOIN most AS m ON c.window = m.window AND c.num = m.num
