"""A folder, not a package: each provider in it is a package of its own.

The editable install puts the repository on the path, which would make `providers.nexus_aws` a second copy of
`nexus_aws`. This file prevents that and is not part of the wheel.
"""

raise ImportError("providers is a folder of packages: import one of them directly, e.g. `import nexus_aws`")
