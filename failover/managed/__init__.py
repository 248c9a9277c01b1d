"""The managed agent on the local platform: seen and steered through control, and by its processes where control fails."""
