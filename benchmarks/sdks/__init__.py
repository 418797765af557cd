"""OpenFeature's SDKs of other languages, and of ours: what they are asked, and what they have to answer."""
