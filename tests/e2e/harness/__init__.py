"""What the end-to-end tests stand on: real servers, the client under test, traffic and waiting."""
import signal

# A runner in the background may have these ignored, and what is ignored stays so in every program that is started.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL),
                        (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)
