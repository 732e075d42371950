"""Every size, interval and deadline of localpair, with its unit and its reason.

A constant's name ends in its unit: ``_S`` seconds, ``_BYTES`` bytes; a bare name is a count.
"""

from typing import Final

# --- Ports -----------------------------------------------------------------------------------------------------
# One small range, so that a firewall can be opened for it. Unassigned by IANA.
DISCOVERY_PORT: Final = 46820  # UDP, shared by every instance on a host: multicast and broadcast arrive here
PAIRING_PORTS: Final = range(46821, 46830)  # TCP and UDP; the first number free on both wins
DIAL_PORTS: Final = range(46830, 46840)  # TCP, dialled from and never listened on: for simultaneous open
LOWEST_DIALLED_PORT: Final = 1024  # a packet never makes us call a system service

# --- Groups (hop limit 1: a beacon never leaves its link) ------------------------------------------------------
GROUP_LINK_LOCAL: Final = "224.0.0.171"  # 224.0.0.0/24 is never pruned by IGMP snooping; unassigned by IANA
GROUP_SCOPED: Final = "239.255.70.171"  # RFC 2365 local scope: passes where a filter takes only 224.0.0.x
GROUP_IPV6: Final = "ff12::6c70:6169:7273"  # transient, link-local scope (RFC 4291, 2.7)
MULTICAST_HOPS: Final = 1

# --- Offer -----------------------------------------------------------------------------------------------------
SECRET_BYTES: Final = 16  # 128 bits, random, used once: no offline guess is possible
KEY_HASH_BYTES: Final = 16  # second preimage at 2^128; the proof binds the whole certificate besides
OFFER_LIFETIME_S: Final = (
    120.0  # long enough to walk to the other device, too short for a photograph to travel
)
OFFER_LIFETIME_MAX_S: Final = 300.0
OFFER_CANDIDATES: Final = 6  # with the fields around them they fit a QR code of 49x49 modules
OFFER_LABEL_BYTES: Final = 12  # UTF-8; a hint for the person, never an identity
TEXT_BYTES: Final = 64 * 1024  # of a text that is shown on the other screen; more is a file
OFFER_TEXT_CHARS: Final = 600  # longer input is no offer; nothing is parsed
OFFER_RENEWAL_S: Final = 10.0  # between replacements: nobody must outrun the person who scans
QR_IMAGE_BYTES: Final = 64 * 1024 * 1024  # of a picture's file; a photo of that many pixels has half as many
QR_IMAGE_PIXELS: Final = 80_000_000  # of a picture to read: any phone's photo, and no decompression bomb

# --- Answer code -----------------------------------------------------------------------------------------------
ANSWER_CODE_ADDRESSES: Final = 3  # a person types them: each IPv4 address costs six or seven letters
ANSWER_CODE_CHECK_BYTES: Final = 4  # a slip of the fingers passes once in four thousand million
ANSWER_CODE_CHARS: Final = 400  # longer input is no answer code; nothing is parsed
ANSWER_CODE_AFTER_S: Final = (
    5.0  # without a verified connection: whoever can be found without a person has been by then
)
ANSWER_CODE_LOOK_S: Final = 0.5  # between two looks whether a person is needed
ANSWER_CODES: Final = 8  # different ones heeded for one offer; addresses change now and then

# --- Datagrams -------------------------------------------------------------------------------------------------
BEACON_BYTES: Final = 320  # every beacon has this size: an answer is never larger than its question
DATAGRAM_BYTES: Final = 400  # what is read of one datagram; more cannot be ours
DATAGRAM_SEND_BYTES: Final = (
    2 * 1024 * 1024
)  # may wait in a socket: Linux charges 1,280 bytes for a beacon until ARP has an answer, or gives up after 3 s
DATAGRAM_RESERVE_BYTES: Final = 64 * 1280  # of these, kept free by a sweep for our own beats and answers
BEACON_ADDRESSES: Final = 8
BEACON_HEARS: Final = 3  # runs of a paired device that a beacon names as heard; few devices have more at once
DOUBTED_S: Final = (
    20.0  # for so long whoever may be a recording is named as heard: longer than its slowest three beats
)
BEACON_BURST_S: Final = (0.0, 0.1, 0.6, 2.6)  # after the start and after every change of the network
BEACON_BEAT_S: Final = 1.0
BEACON_JITTER: Final = 0.2  # of the beat, each way, so that devices do not march in step
BEACON_SLOW_AFTER_S: Final = 30.0  # then the beat slows down
BEACON_SLOW_BEAT_S: Final = 5.0
PEER_EXPIRY_BEATS: Final = 3  # a peer that missed this many of its beats is gone
ANSWER_BURST: Final = 4  # immediate answers to newcomers, token bucket
ANSWER_REFILL_S: Final = 5.0  # one more immediate answer allowed after so long
PEERS: Final = 64  # remembered; the least recently seen goes
PEER_ADDRESSES: Final = 8  # kept for each peer
NEWCOMERS_REFILL_S: Final = 0.05  # one more stranger's hint heeded after so long, beyond PEERS at once
SAME_BEAT_S: Final = 1.0  # one beat arrives over several carriers and interfaces; later copies are replays
LATE_COPY_S: Final = 3.0  # a copy that comes behind the next beat still shows that the peer was heard
SECRETS_PER_BEAT: Final = 4  # who has more pairs announces to them in turn, so that its beat costs the same
MEMBERSHIP_SOCKETS: Final = 32  # besides those that hear: Linux takes 20 memberships each, and a card needs 2
TARGETS: Final = 32  # addresses that get unicast beacons besides the groups

# --- Probes ----------------------------------------------------------------------------------------------------
# A closed firewall answers nobody, but its kernel notes who asked for its hardware address. One unicast beacon to
# such a neighbour, from our fixed port, opens our own firewall for the answer.
NEIGHBOUR_POLL_S: Final = 0.25  # where the platform does not tell, and for the probes that come again
NEIGHBOUR_PAUSE_S: Final = 0.02  # between two looks at the table, however often it changes
# Between probes of one neighbour that does not answer. Then it is left alone.
PROBE_GAPS_S: Final = (1.0, 4.0, 16.0)
# Who hosts goes on: its peer may start at any time, and may be allowed to send nothing but answers. So often that such
# a peer, too, has paired within a second of its start; later as seldom as the beats.
PROBE_WAITING_S: Final = 0.4
NEIGHBOUR_PROBES: Final = 512  # to all neighbours at once: whoever forges ARP makes as many as it likes ...
NEIGHBOUR_PROBES_REFILL_S: Final = 1 / 32  # ... and one more after so long
PROBED: Final = 4096  # addresses remembered as probed: sweeps before and after a change, and neighbours
SWEEP_AFTER_S: Final = (
    0.25,
    8.0,
)  # after the start of a search that has heard nothing: who joins sweeps, twice. A LAN answers within milliseconds
# Who hosts sweeps too where nobody was heard: after whoever joins at once has been heard, and again, since the joiner
# may start at any time. With the time of a sweep it is asked within ATTEMPT_S of its start.
SWEEP_WAITING_AFTER_S: Final = (0.4, 8.0)
SWEEP_WAITING_EVERY_S: Final = 18.0
SWEEP_AIMED_AFTER_S: Final = (
    0.5  # the first one where addresses were offered: they come first, on slow links too
)
SWEEP_ADDRESSES: Final = 1024  # of one's own on-link private subnets, by their real masks
SWEEP_STEP: Final = 32  # addresses in one go ...
SWEEP_STEP_S: Final = 0.03  # ... and the pause after it: a /24 takes 0.25 s

SWEEP_AGAIN_S: Final = 4.0  # for probes that found no room: a kernel gives up a question after 3 s

# --- Dials -----------------------------------------------------------------------------------------------------
CONNECT_TIMEOUT_S: Final = 2.0  # for one address
STAGGER_S: Final = (
    0.1  # between the starts of two dials: RFC 8305, 5 has 0.1 s as its least, for the whole internet
)
RETRY_GAPS_S: Final = (0.5, 1.0, 2.0)  # before an address is tried again; the last one repeats
PARALLEL_DIALS: Final = 12
PARALLEL_OPENINGS: Final = 24  # between the two fixed ports: six offered addresses by four ways each
CANDIDATES: Final = 128  # addresses kept of one peer; whoever holds the secret could claim ever new ones
PACKET_DIALS_PER_SOURCE: Final = 4  # dials that packets of one source cause ...
PACKET_DIALS_WINDOW_S: Final = 10.0  # ... in this time
PACKET_DIALS_TOTAL: Final = 20  # in flight
REVERSE_DIAL_AFTER_S: Final = 0.15  # the issuer's dial back waits: the joiner's own is usually under way
CONFIRM_AFTER_S: Final = (
    0.3  # a confirmation over TCP waits: pairing itself usually answers the question first
)
FAR_ALTERNATE_AFTER_S: Final = (
    0.5  # a dial over a link on which the address does not lie: it seldom belongs there
)
FAR_GIVES_WAY_S: Final = 1.0  # and for so long its connection lets a nearer one of the same peer come first
FAR_ALTERNATE_ROUTES: Final = (
    3  # such links for one address: eight addresses of a peer still fit into TARGETS
)
SIMULTANEOUS_AFTER_S: Final = 0.3  # dials between the two fixed ports wait: one ordinary dial usually does
# Whoever may send nothing but answers has to be ready before the other side's dial comes, which the kernel sends
# again only after a second. So the issuer dials first where it has heard a joiner that spoke by itself, and second
# where the joiner has merely answered.
PUNCH_FIRST_S: Final = 0.2  # and after its ordinary dial
PUNCH_SECOND_S: Final = 0.35
PUNCH_GAPS_S: Final = (
    0.15,
    0.5,
    1.0,
    2.0,
)  # before such a dial is tried again: where one side drops and one refuses, the second try meets the other's first
# Two firewalls that refuse with an answer open only for dials that cross on the way. Both sides agree on the moment
# over UDP and dial several ports at once then, one side in the other's reverse order: some pair crosses.
SIMULTANEOUS_DIALS: Final = 8  # takes about as long as a packet on a LAN and its jitter
VEILED_DIALS: Final = (
    2  # of a simultaneous open whose one side dials first: one is enough, and a packet may be lost
)
SIMULTANEOUS_OPEN_S: Final = 0.25  # for the dials of a simultaneous open to connect
SIMULTANEOUS_SECOND_S: Final = (
    0.03  # then what was refused is tried the other way: one side listens where it had dialled
)
RENDEZVOUS_ANSWER_S: Final = 0.4  # for the joiner's answer; then the issuer calls again
RENDEZVOUS_LEAD_S: Final = 0.005  # from GO to the moment it names, and the round trip besides
RENDEZVOUS_ROUNDS: Final = (
    12  # follow each other closely: a cable's delay is a fraction of a scheduler's jitter ...
)
RENDEZVOUS_GAPS_S: Final = (0.02, 1.0)  # ... the pause between those, and between later ones
RACE_S: Final = (
    0.5  # connections that began within this time of each other are of one race: none replaces the other
)
DISCOVERY_VERDICT_S: Final = (
    6.5  # the slowest beat with its jitter: whoever announces at all is heard by then
)
# From the last answer of the offered addresses, where another key answers: by then the own links were swept, a host has
# answered whatever it hears at once, and sent a beacon to each device that asked for its hardware address.
OTHER_KEY_S: Final = 2.0
OTHER_KEY_LOOK_S: Final = 0.25
ATTEMPT_S: Final = 20.0  # the whole attempt, unless the person waits longer
CANCEL_S: Final = 0.5

# --- Listener --------------------------------------------------------------------------------------------------
LISTEN_BACKLOG: Final = 1024  # calls that the kernel keeps until we accept them; many systems keep fewer
WAITING_CALLS: Final = 128  # accepted, and nothing shown yet; some systems let a process open 256 files
KNOWN_CALLS: Final = 16  # from holders of a secret, on their way to the verified proof
PREAUTH_CONNECTIONS: Final = 8  # of strangers, up to the verified proof
PREAUTH_PER_SOURCE: Final = 2  # of strangers; /64 counts as one source in IPv6
STRANGERS_REFILL_S: Final = 0.1  # one more stranger's TLS handshake after so long: each costs milliseconds
IDENTIFY_S: Final = 5.0  # from accept to the first whole message
HANDSHAKE_S: Final = 10.0  # from accept to the verified proof
APPROVAL_S: Final = 60.0  # a person reads a name and a code
ANSWER_S: Final = 10.0  # a nominated device's next word, where no person there is asked
HELD_DEVICES: Final = 4  # that wait for the word of the device that has claimed the offer before them
FRAME_PREAUTH_BYTES: Final = 4 * 1024
FRAME_BYTES: Final = 1024 * 1024
LABEL_BYTES: Final = 64  # a device's name, UTF-8

# --- Self addresses --------------------------------------------------------------------------------------------
SELF_CALL_S: Final = 1.0  # one call to one's own address goes through the loopback device
STAGE_THREE_S: Final = 5.0
SELF_CODE_BYTES: Final = 16
SELF_CALLS: Final = 32  # calls to oneself under way at once; a container host has hundreds of addresses

# --- Segments and losses ---------------------------------------------------------------------------------------
SEGMENT_BYTES: Final = (
    1220  # TCP payload both ways: fits 1280, IPv6's least MTU, wherever larger packets vanish unheard
)
LOSS_LOOK_S: Final = 0.5  # between two looks at what a connection had to send again
LOSS_SHARE: Final = 0.05  # of its segments; on a clean LAN it is none, and a full Wi-Fi queue loses far less
BBR_LOOKS: Final = 6  # then it looks for its rate anew; its start takes a dozen round trips
BULK_BYTES: Final = 64 * 1024  # acknowledged: no handshake sends a quarter of that
BULK_QUEUE_BYTES: Final = 8 * 1024  # waiting in the kernel: a lossy link may need long for the first 64 KiB
# After a simultaneous open a kernel may take less than SHORT_TRIP_S for the round trip where it is much longer: on
# average LONG_TRIP_S, which starts with the wrong value, so that one true sample of 80 ms suffices. On a LAN the
# average is a millisecond, also on a busy host.
SHORT_TRIP_S: Final = 0.02
LONG_TRIP_S: Final = 0.01
GIVE_WAY_S: Final = 3.0  # for so long a plain dial may come first then: two or three tries
WAIT_S: Final = 1.0  # before a small frame is sent again; the least that Linux takes, and no LAN's round trip

# --- Session ---------------------------------------------------------------------------------------------------
PING_S: Final = 15.0
DEAD_S: Final = 45.0
REVOCATION_S: Final = 1.0  # how soon a live session ends after its pair was revoked in another process
RESUME_S: Final = 20.0  # how long both sides look for each other after a broken connection
CHUNK_BYTES: Final = (
    512 * 1024
)  # one read of a file and one write to TLS; measured best between 256 KiB and 1 MiB
# Received bytes that wait for the disk: what a receiver that is killed has read and must be sent again, 1 MiB together.
# Half as much costs a seventh of the rate, four times as much brings nothing (measured).
RECEIVE_BLOCK_BYTES: Final = 256 * 1024
RECEIVE_BLOCKS: Final = 4
SEND_BUFFER_BYTES: Final = (
    1024 * 1024
)  # ahead of the socket, then the sender waits; more costs fresh memory, measured
ATTACH_S: Final = (
    20.0  # for the first message on a new connection: a slow disk has to settle before it is sent
)
FIRST_WORD_S: Final = 5.0  # for a peer that has not said a word yet in this session, before it is closed
FAREWELL_S: Final = 0.3  # for refusals under way when everything ends: an interruption may take half a second
CLOSE_S: Final = 1.0  # to flush a connection and to say goodbye; then it is cut
USER_TIMEOUT_S: Final = 30.0  # sent and not acknowledged by the peer's kernel: the path is dead

# --- Payload ---------------------------------------------------------------------------------------------------
NAME_BYTES: Final = 255  # UTF-8; what every common file system stores
NAME_WIRE_BYTES: Final = 1024  # a name of NTFS may have 765 bytes in UTF-8; it is shortened on arrival
PATH_DEPTH: Final = 64  # folders in folders; deeper ones are refused
# What a receiver takes in one transfer unless its person says otherwise.
MAX_ENTRIES: Final = 1_000_000  # files and folders: a large home has fewer, and a disk has few million in all
MAX_BATCH_BYTES: Final = (
    10**12
)  # more takes longer than two hours over a gigabit cable: a person may say so before
# A receiver's memory does not grow with the number of entries. What it knows of a batch by heart:
FOLDERS_KEPT: Final = (
    1024  # folders named last: more than all entries that wait for the disk, and those above them
)
NAMES_KEPT: Final = 10_000  # names given last, so that no two of them differ in case alone; 2 MB
TOP_NAMES: Final = 8  # of a batch, told before it is taken: as many as a person reads
COUNT_S: Final = 3.0  # for the sender to count its batch, before a person is asked about it all the same
GROWN_SHARE: Final = 8  # a batch may grow by this part after a person was asked: files change meanwhile ...
GROWN_BYTES: Final = 1024 * 1024  # ... and small ones by so much
RECEIPT_FILES: Final = 100  # that the result of a transfer names; each is told as it arrives besides
FAILURES_NAMED: Final = 5  # in an error about many
SHOWN_PATH_BYTES: Final = 300  # of a path that did not arrive
REASON_BYTES: Final = 200  # why something failed, told to the peer
UNSETTLED_ENTRIES: Final = 1024  # files sent and not yet confirmed as stored; all of them may be sent again
NOTES_AHEAD: Final = 64  # messages sent that the peer's application has not taken
NOTES_AHEAD_BYTES: Final = 4 * 1024 * 1024  # the same in bytes; the receiver keeps no more than this
PROGRESS_S: Final = 0.1  # between two progress events of one direction
# Where the rate is limited. A receiver that takes less lets the sender's kernel wait for a window: one block after the
# other has to be free well within USER_TIMEOUT_S.
RATE_LEAST: Final = 16_000  # bytes a second
RATE_BURST_S: Final = 0.1  # what was not used in this time may be caught up
RATE_PIECES: Final = 8  # in a second: what is read and sent at once
SMALL_FILE_BYTES: Final = (
    64 * 1024
)  # received in memory and written by one of several threads, since each is flushed
STORING_AHEAD: Final = 256  # small files in memory that wait for the disk; then the sender waits
STORE_END_S: Final = 0.3  # for the threads to let go of the disk when a transfer is cancelled
READ_END_S: Final = 5.0  # for the thread that reads to end where nobody is in a hurry: a machine may be busy
FLUSH_BYTES: Final = 32 * 1024 * 1024  # of a file under way go to the disk, so that the last flush is short
FREE_NAMES: Final = 10_000  # "name (n)" tried before a file is refused
# What a session leaves of a large file is kept for the next one. All kept parts of one folder:
KEPT_LEAST_BYTES: Final = (
    1024 * 1024
)  # of a file, and of its part: less is sent again sooner than it is looked at
KEPT_S: Final = 7 * 86_400.0  # since something was last written to it
KEPT_PARTS: Final = 64
KEPT_BYTES: Final = 64 * 10**9  # beyond this the older ones go; the latest one stays, whatever its size
KEPT_SHOWN_BYTES: Final = (
    32  # of the file's name, in that of its part: some file systems allow 143 bytes in all
)
EARLIER_OFFERS: Final = 8  # that a certificate names to those who hold them; fewer than this show as many
RECEIVING_FOLDERS: Final = 64  # remembered, to be looked through for parts; the one used longest ago goes
STALE_PART_S: Final = 86_400.0  # part files are removed by lock; by age only where a file system has no locks

# --- Facts about a run -----------------------------------------------------------------------------------------
FACTS_ROWS: Final = 64  # of one table: an offer has six addresses, a peer eight, and a host few interfaces
FACTS_ADDRESSES: Final = 256  # of all interfaces, and as many routers: a verdict compares each with each
CALLS_TOLD: Final = 64  # failed calls of which a person, or a program, is told; a flood has no end
FACTS_BYTES: Final = 256 * 1024  # as JSON: all tables full are a third of it
FACTS_COMPACT_BYTES: Final = 576  # as beacons carry it: three of them; a plain host's takes 130, one beacon
FACTS_CHUNK_BYTES: Final = 192  # of a record in one beacon: what else is in one, at most, leaves room for 199
FACTS_AFTER_S: Final = 5.0  # that a peer was heard, and no connection came about: until then none is needed
FACTS_BEACONS: Final = (
    12  # about facts, at once: two questions with their answers of three beacons, and back ...
)
FACTS_BEACONS_REFILL_S: Final = 2.5  # ... and one more after so long
FACTS_SAME_S: Final = (
    1.0  # what is told and what is judged is one record for so long: both sides judge the same
)
FACTS_WAIT_S: Final = 0.6  # at the end of a run, for the other device's latest record ...
FACTS_ASK_S: Final = 0.15  # ... which is asked for so often: a beacon may be lost
REPORT_CODE_BYTES: Final = 320  # 520 letters, where a host has dozens of interfaces; a plain one needs 200
REPORT_CODE_CHARS: Final = 2000  # with what stands around it; longer input is no report code
FACTS_NEIGHBOURS: Final = 8  # told to a device whose addresses are not known; more tell nothing of the path

STEADY_S: Final = 2.0  # an explanation that has held for so long is shown while the run waits
WAITING_LOOK_S: Final = 1.0  # between two looks at the facts of a run under way ...
WAITING_SHARE: Final = (
    50  # ... and this many times as long as one takes: a host may have hundreds of interfaces
)

# The code of an offer of so many bytes has 23 rows on a terminal, and 24 are there.
OFFER_SHOWN_BYTES: Final = 120
OFFER_LEAST_BYTES: Final = 50  # of an offer without addresses and label, with its dial port

# --- Network watch ---------------------------------------------------------------------------------------------
WATCH_POLL_S: Final = 3.0  # where the platform cannot tell us
WATCH_SETTLE_S: Final = 0.2  # changes come in bursts
WATCH_SETTLE_MAX_S: Final = 1.0  # a network that never comes to rest is told of all the same

# --- State on disk ---------------------------------------------------------------------------------------------
STATE_LOCK_S: Final = 5.0  # another process writes for milliseconds; whoever holds the lock longer hangs
REMEMBERED_ADDRESSES: Final = 8  # last good ones of a paired device, newest first
TRUST_BYTES: Final = 4 * 1024 * 1024  # thousands of devices; a larger file is no store of ours

# --- Diagnosis -------------------------------------------------------------------------------------------------
DIAGNOSIS_S: Final = 45.0  # the whole series; a person waits for it
DIAGNOSIS_CHECK_S: Final = 3.0  # one check, unless it says otherwise
DIAGNOSIS_LEAST_S: Final = 0.5  # what a check gets even where earlier ones have used up the time
DIAGNOSIS_LISTEN_S: Final = 1.2  # long enough to hear a beacon of every neighbour: one beat and its jitter

# --- Routing socket (Linux) ------------------------------------------------------------------------------------
NETLINK_TIMEOUT_S: Final = 1.0  # the kernel answers within microseconds
NETLINK_MESSAGES: Final = 20_000  # of one table: a router with a full routing table is not read to its end
