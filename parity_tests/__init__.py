"""Property tests that compare an implementation with torch.nn."""
