"""The central side of the topology: bucket, key, stream, transform, destinations and monitoring."""

from components.central_log_archive.component import CentralLogArchive, CentralLogArchiveArgs

__all__ = ["CentralLogArchive", "CentralLogArchiveArgs"]
