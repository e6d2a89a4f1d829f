-- é ${least}
SELECT ${least}, '${leest}'
FROM ${layer}.nowhere
