"""Cluster files out of one small profile: `ray up`, KubeRay, SkyPilot. Pure functions, profile → documents."""
