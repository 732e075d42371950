"""Files and folders on their way: from the sender's disk to the receiver's."""
