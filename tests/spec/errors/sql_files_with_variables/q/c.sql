SELECT idd, '{{ run_idd }}' AS x
FROM bronze.f WHERE day = '{{ ds }}'
