"""The attempts: hosting, joining, listening, reaching again, looking around; the public API's verbs."""
