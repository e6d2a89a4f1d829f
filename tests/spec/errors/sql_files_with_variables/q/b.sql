SELECT ${least} + FROM
  bronze.f
