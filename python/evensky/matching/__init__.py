"""The science of background matching, on exposures in memory: no files, tasks or records."""
