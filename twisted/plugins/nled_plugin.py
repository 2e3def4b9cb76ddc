"""What `twistd --help` shows of nled; nothing of nled is imported until it is chosen."""

from twisted.application.service import ServiceMaker

nled = ServiceMaker("nled", "nled.tap", "A server for freed Nest thermostats.", "nled")
