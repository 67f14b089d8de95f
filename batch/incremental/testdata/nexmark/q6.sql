SELECT seller, array_average(max_by(final, closed, 10)) AS avg
FROM (
  SELECT a.id, a.seller, a.expires AS closed, max(b.price) AS final
  FROM auction AS a, bid AS b
  WHERE a.id = b.auction AND b.datetime BETWEEN a.datetime AND a.expires
  GROUP BY a.id, a.seller, a.expires
) AS q
GROUP BY seller
