-- Flights per day: 'not a quote', {{ run_id }}
SELECT day, count(*) AS flights
FROM bronze.fligths
WHERE day >= '${day}' AND day < '{{ ds }}'
GROUP BY day
