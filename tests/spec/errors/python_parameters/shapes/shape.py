def flights(bronze__fligths, context, spark):
    return bronze__fligths
