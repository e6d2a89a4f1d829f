-- Orders above ${big_order} count as big.
SELECT c.city,
       count(*) AS orders,
       count_if(o.amount > ${big_order}) AS big_orders
FROM staging.orders AS o
JOIN silver.customers AS c ON c.id = o.customer_id
GROUP BY c.city
