-- The last orders
WITH recent AS (
  SELECT * FROM lake.silver.log
)
SELECT r.* FROM recent r JOIN raw.airlines a USING (id)
