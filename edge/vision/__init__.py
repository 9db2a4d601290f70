"""From a frame to a decision: the scene, the thing in it, and the item that it is."""
