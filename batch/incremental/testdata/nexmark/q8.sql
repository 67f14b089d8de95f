WITH people AS (
  SELECT id, name, window(datetime, '10 seconds') AS w FROM person GROUP BY id, name, window(datetime, '10 seconds')
), sellers AS (
  SELECT seller, window(datetime, '10 seconds') AS w FROM auction GROUP BY seller, window(datetime, '10 seconds')
)
SELECT p.id, p.name, p.w.start AS starttime
FROM people AS p JOIN sellers AS s ON p.id = s.seller AND p.w = s.w
