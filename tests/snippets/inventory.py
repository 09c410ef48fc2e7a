"""Every block of the pages that a reader runs: what a test does with it, or why no test runs it."""

PROGRAMS = {
    "sh": "docs/api.md: Quick start: sh 2",
    "py": "docs/api.md: Quick start: python",
    "mjs": "docs/api.md: Quick start: js",
}
"""Whole programs that upload a photo and save the result, by the extension of their file."""

FIRST_STEPS = ("README.md: Try it: sh", "README.md: Try it: sh 2")
ACCOUNT = tuple(f"docs/api.md: Create an account: sh{number}" for number in ("", " 2", " 3"))
DESCRIBED = tuple(f"/docs: Quick start: sh{number}" for number in ("", " 2", " 3"))
"""Commands that a reader runs one after the other, and copies values between."""

GENERATORS = ("sh", "sh 2", "python", "sh 3", "python 2", "sh 4", "ts", "sh 5", "ts 2")
GENERATED = "tests/contract/test_generated_clients.py runs it"
SDK = "tests/clients/test_pages.py runs it"
IN_A_CLUSTER = "needs a cluster; tests/chart and tests/snippets/test_commands.py check its names"
NOT_RUN = {
    **{f"docs/api.md: Generate a client: {name}": GENERATED for name in GENERATORS},
    "docs/api.md: Images: sh": "tests/contract/test_links.py runs it with a link of its own",
    "docs/api.md: Wait: sh": "needs an image of the reader; tests/gateway/test_waits.py sends these requests",
    "docs/api.md: Before an upload: sh": "tests/contract/test_estimate.py sends such requests",
    "docs/api.md: Direct uploads: sh": "tests/contract/test_direct_uploads.py runs it",
    "docs/api.md: Batches: sh": "needs a batch of the reader; tests/contract/test_archives.py sends it",
    "docs/api.md: Images: sh 2": "needs a pyramid; tests/contract/test_previews.py reads such ranges",
    "docs/api.md: Manifests: sh": "needs links of the reader; tests/contract/test_manifests.py sends such",
    "docs/api.md: Manifests: sh 2": "tests/contract/test_manifests.py runs it",
    "docs/api.md: Audit: sh": "tests/contract/test_audit.py sends such requests",
    "docs/api.md: Submitting once: sh": "tests/contract/test_submitting_once.py sends such requests",
    "docs/api.md: Webhooks: sh": "needs a receiver; tests/contract/test_webhooks.py sends such requests",
    "docs/api.md: Webhooks: python": "tests/contract/test_webhooks.py verifies with the same package",
    "docs/api.md: Webhooks: js": "tests/contract/test_webhooks.py verifies with the same package",
    "docs/api.md: Follow events: js": "tests/contract/test_event_clients.py runs it in node",
    "docs/api.md: Follow events: js 2": "tests/contract/test_event_clients.py runs it in node",
    "docs/api.md: Profile, usage, subscription, plans: sh": "tests/contract/test_usage_history.py reads it",
    "docs/api.md: Quick start: sh": "sets the two variables, which the tests of the programs set",
    "README.md: Loupe: sh": SDK,
    "docs/cli.md: The command `loupe`: sh": SDK,
    "docs/cli.md: Other commands: sh": SDK,
    **{
        f"docs/sdk-python.md: {heading}: python": SDK
        for heading in (
            "The Python SDK",
            "Upscaling",
            "Waiting",
            "Async",
            "Errors",
            "Lists, batches, events",
            "Webhooks",
        )
    },
    "docs/sdk-typescript.md: Install: sh": "tests/clients/node_project.py installs the package",
    **{
        f"docs/sdk-typescript.md: {heading}: ts": "tests/clients/test_typescript_page.py runs it"
        for heading in (
            "Upscale",
            "Results",
            "Batches and lists",
            "Events",
            "Errors",
            "Aborts",
            "Webhooks",
        )
    },
    "docs/sdk-typescript.md: In the browser: ts": "needs a page; a test compiles it",
    "docs/backup.md: Backup: sh": "needs a cluster; tests/e2e/test_backup.py dumps local databases",
    "docs/backup.md: Backup: sh 2": "needs a cluster and mc; tests/e2e/test_backup.py copies the bucket",
    "docs/backup.md: The chart's backup: sh": IN_A_CLUSTER,
    "docs/backup.md: The chart's backup: sh 2": IN_A_CLUSTER,
    "docs/backup.md: Restore: sh": IN_A_CLUSTER,
    "docs/backup.md: Restore: sh 2": IN_A_CLUSTER,
    "docs/backup.md: Restore: sh 3": "needs a cluster; tests/e2e/test_backup.py restores into local servers",
    "docs/backup.md: Reconcile: sh": "needs a cluster; tests/e2e/test_backup.py runs these commands",
    "docs/install.md: Three ways to install: sh": IN_A_CLUSTER,
    "docs/install.md: Three ways to install: sh 2": IN_A_CLUSTER,
    "docs/install.md: Three ways to install: sh 3": IN_A_CLUSTER,
    "docs/install.md: The first user: sh": IN_A_CLUSTER,
    "docs/install.md: The first user: sh 2": IN_A_CLUSTER,
    "docs/install.md: Secrets for production: sh": IN_A_CLUSTER,
    "docs/install.md: If it does not start: sh": IN_A_CLUSTER,
    "docs/install.md: Uninstalling: sh": IN_A_CLUSTER,
    "docs/platforms.md: No access to the internet: sh": "needs a registry; tests/chart runs it with --list",
    "docs/operations.md: loupe-admin: sh": "tests/gateway/test_admin.py runs these commands",
    "docs/operations.md: Audit: sh": "tests/contract/test_audit.py exports so",
    "docs/operations.md: Running Loupe: sh": "only an alias",
    "docs/operations.md: Upgrades: sh": IN_A_CLUSTER,
    "docs/operations.md: Larger volumes: sh": IN_A_CLUSTER,
    "docs/operations.md: Secrets and keys: sh": IN_A_CLUSTER,
    "docs/operations.md: Auth's secret: sh": IN_A_CLUSTER,
    "docs/operations.md: Auth's secret: sh 2": IN_A_CLUSTER,
}

DIAGRAMS = {
    "docs/api.md: Follow events: ",
    "docs/api.md: Webhooks: ",
    "README.md: How it works: ",
    "docs/architecture.md: Inside a service: ",
    "docs/security.md: Who trusts whom: ",
    "deploy/helm/loupe/README.md: Who talks to whom: ",
}
"""Blocks without a language: diagrams, and what a server sends."""
