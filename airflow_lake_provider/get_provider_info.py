"""What Airflow's provider discovery reads."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata in the shape of Airflow's ``provider_info.schema.json``.

    >>> get_provider_info()["package-name"]
    'airflow-lake-provider'
    """
    from airflow_lake_provider import __version__

    return {
        "package-name": "airflow-lake-provider",
        "name": "Lake",
        "description": "YAML specs become DAGs that publish audited Apache Iceberg tables with Spark.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "Apache Iceberg",
                "external-doc-url": "https://iceberg.apache.org/",
                "tags": ["apache"],
            }
        ],
        "operators": [
            {
                "integration-name": "Apache Iceberg",
                "python-modules": [
                    "airflow_lake_provider.operators.ingest",
                    "airflow_lake_provider.operators.merge",
                    "airflow_lake_provider.operators.quality",
                    "airflow_lake_provider.operators.transform",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": "Apache Iceberg",
                "python-modules": ["airflow_lake_provider.triggers.run"],
            }
        ],
        "extra-links": ["airflow_lake_provider.operators.link.LakeRunLink"],
    }
