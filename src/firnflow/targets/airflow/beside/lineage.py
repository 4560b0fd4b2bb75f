"""What OpenLineage is told of a task: the named tables that it reads and publishes, with version and digest."""

from __future__ import annotations

from typing import Any


def told(node: dict[str, Any], refs: dict[str, Any]) -> Any:
    """Return the lineage of a task that has run, as the provider of OpenLineage takes it.

    The namespace of a table is that of its asset (`firnflow://tables`), its name there the asset's.

    Args:
        node: the task.
        refs: what it has made.
    """
    named = node.get("publishes") or node.get("reads_table")
    ref = next(iter(refs.values()), None)
    from airflow.providers.openlineage.extractors import OperatorLineage  # asked by that provider: it is there

    if named is None or ref is None:
        return OperatorLineage()
    dataset = _dataset(named, ref, is_output="publishes" in node)
    return OperatorLineage(outputs=[dataset]) if "publishes" in node else OperatorLineage(inputs=[dataset])


def _dataset(named: dict[str, Any], ref: dict[str, Any], *, is_output: bool) -> Any:
    from openlineage.client import event_v2, facet_v2

    meta = ref.get("meta") or {}
    columns = [
        facet_v2.schema_dataset.SchemaDatasetFacetFields(name=name, type=str(kind))
        for name, kind in (meta.get("columns") or {}).items()
    ]
    tag = facet_v2.tags_dataset.TagsDatasetFacetFields(key="digest", value=str(ref["digest"]), source="firnflow")
    facets = {
        "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(meta.get("version"))),
        "schema": facet_v2.schema_dataset.SchemaDatasetFacet(fields=columns),
        "tags": facet_v2.tags_dataset.TagsDatasetFacet(tags=[tag]),
    }
    namespace = named["uri"].removesuffix(f"/{named['name']}")
    if not is_output:
        return event_v2.InputDataset(namespace=namespace, name=named["name"], facets=facets)
    rows = facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=meta.get("rows"), size=ref.get("size")
    )
    facets_out = {"outputStatistics": rows}
    return event_v2.OutputDataset(namespace=namespace, name=named["name"], facets=facets, outputFacets=facets_out)
