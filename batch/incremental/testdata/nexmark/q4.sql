SELECT category, avg(final) AS avg
FROM (
  SELECT a.id, a.category, max(b.price) AS final
  FROM auction AS a, bid AS b
  WHERE a.id = b.auction AND b.datetime BETWEEN a.datetime AND a.expires
  GROUP BY a.id, a.category, a.expires
) AS q
GROUP BY category
