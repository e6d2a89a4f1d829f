SELECT
  ordered_on AS day,
  count(*) AS orders,
  sum(amount) AS revenue,
  count_if(status = 'open') AS still_open
FROM silver.orders
GROUP BY ordered_on
