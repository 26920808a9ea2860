"""The science of background matching, on plain arrays: it knows no files, tasks or records."""
