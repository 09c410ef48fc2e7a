"""Defects in references to ConfigMaps, Secrets, claims and accounts."""

from tests.chart.checks import references
from tests.chart.defects import Defect
from tests.chart.planted_defects import CONTAINER, WEB, correct_release, plant_defect, renamed_copy

FROM = f"{CONTAINER}.env.0.valueFrom.secretKeyRef"
VOLUME = "spec.template.spec.volumes.1"
HOOK = "metadata.annotations"

DEFECTS: tuple[Defect, ...] = (
    (references.references_exist, plant_defect(WEB, f"{FROM}.name", "other"), "there is no Secret other"),
    (
        references.references_exist,
        plant_defect(WEB, f"{FROM}.key", "password"),
        "Secret web has no key password",
    ),
    (
        references.references_exist,
        plant_defect(WEB, f"{VOLUME}.configMap.name", "plans"),
        "there is no ConfigMap plans",
    ),
    (
        references.references_exist,
        plant_defect(WEB, f"{VOLUME}.configMap.items.0.key", "plans.yaml"),
        "ConfigMap web has no key plans.yaml",
    ),
    (
        references.references_exist,
        plant_defect(WEB, VOLUME, {"name": "plans", "secret": {"secretName": "tls"}}),
        "there is no Secret tls",
    ),
    (
        references.references_exist,
        plant_defect(WEB, VOLUME, {"name": "plans", "projected": {"sources": [{"secret": {"name": "tls"}}]}}),
        "there is no Secret tls",
    ),
    (
        references.references_exist,
        plant_defect(WEB, VOLUME, {"name": "plans", "persistentVolumeClaim": {"claimName": "models"}}),
        "there is no PersistentVolumeClaim models",
    ),
    (
        references.references_exist,
        plant_defect(WEB, f"{CONTAINER}.envFrom", [{"configMapRef": {"name": "all"}}]),
        "there is no ConfigMap all",
    ),
    (
        references.references_exist,
        plant_defect(WEB, "spec.template.spec.serviceAccountName", "wbe"),
        "there is no ServiceAccount wbe",
    ),
    (
        references.references_exist,
        plant_defect(WEB, "spec.template.spec.imagePullSecrets.0.name", "pull"),
        "there is no Secret pull",
    ),
    (
        references.hooks_need_only_earlier_objects,
        plant_defect("Job/setup", "spec.template.spec.serviceAccountName", "web"),
        "Job/setup: it runs before ServiceAccount web is created",
    ),
    (
        references.hooks_need_only_earlier_objects,
        plant_defect("ServiceAccount/setup", f"{HOOK.replace('.', '|')}|helm.sh/hook-weight", "0"),
        "Job/setup: it runs before ServiceAccount setup is created",
    ),
    (
        references.tls_secrets_exist,
        plant_defect("Ingress/web", "spec.tls.0.secretName", "tls"),
        "Ingress/web: there is no Secret tls",
    ),
    (
        references.nothing_is_unused,
        correct_release(renamed_copy("Secret/web", name="forgotten")),
        "Secret/forgotten: nobody uses it",
    ),
)
