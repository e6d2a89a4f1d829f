"""No secret gets into a request: it lies in the job folder for as long as somebody keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import Catalog
from airflow_lake_provider.protocol.secrets import secrets_in_clear

# Names a secret that Kubernetes keeps: `spark.kubernetes.driver.secretKeyRef.DB_PASSWORD: name:key`.
_REFERENCE = "secretkeyref."


def refuse_secrets(catalog: Catalog, spark_conf: Mapping[str, str]) -> None:
    """See that neither the catalog's properties nor Spark's hold a secret.

    A command line of spark-submit would show Spark's to everybody on the machine besides.

    :param spark_conf: all of the job's, the engine's own too.
    :raises SpecError: one holds a secret; names the property, never its value.
    """
    in_clear = secrets_in_clear(catalog.properties)
    if in_clear:
        raise SpecError(
            f"The catalog '{catalog.name}' holds a secret in clear, in {', '.join(in_clear)}, and jobs keep their "
            "requests. Give it as ${env.NAME}, with NAME under the environment's `env`: then only the name travels, "
            f"and the job reads the variable. Or set it in Spark's own spark-defaults.conf, as "
            f"spark.sql.catalog.{catalog.name}.{in_clear[0]}."
        )
    in_clear = secrets_in_clear({key: value for key, value in spark_conf.items() if _REFERENCE not in key.lower()})
    if in_clear:
        raise SpecError(
            f"spark_conf holds a secret in clear, in {', '.join(in_clear)}, and jobs keep their requests. Set it in "
            "Spark's own spark-defaults.conf, or leave it to what the client finds by itself: a role, or environment "
            "variables such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
