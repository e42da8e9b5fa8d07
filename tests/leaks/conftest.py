"""An environment that says nothing of any cloud."""

# pytest finds these fixtures here, which are in use by themselves.
from tests.aws.conftest import _no_aws_of_this_machine  # noqa: F401
from tests.azure.conftest import _no_azure_of_this_machine, certificates  # noqa: F401
from tests.gcp.conftest import _no_cloud_of_this_machine, tls  # noqa: F401
