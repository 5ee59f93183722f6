"""The public object, and what is done before there is a workspace."""

from .delivery import Delivery, Tell
from .making import demo, diagnose, plan_init, serve_demo
from .workspace import Workspace

__all__ = ["Delivery", "Tell", "Workspace", "demo", "diagnose", "plan_init", "serve_demo"]
