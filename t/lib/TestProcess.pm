package TestProcess;

# A server for a test, in a process of its own that ends with the test's.  A
# subclass has serve(listening socket), which that process runs.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

# launch(members of the object): both processes begin with them
sub launch {
    my ($class, %self) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 512,
        ReuseAddr => 1) or die "listen: $!\n";
    my $self = bless { port => $listen->sockport, owner => $$, %self }, $class;
    $self->{pid} = fork // die "fork: $!\n";
    if ($self->{pid} == 0) {
        $SIG{PIPE} = 'IGNORE';
        eval { $self->serve($listen); 1 } or print STDERR "$class: $@";
        POSIX::_exit(1);
    }
    return $self;
}


sub stop {
    my ($self) = @_;
    return unless $self->{pid} && $self->{owner} == $$;
    kill 'KILL', $self->{pid};
    waitpid delete $self->{pid}, 0;
}


sub DESTROY {
    my ($self) = @_;
    local $?;
    $self->stop;
}

1;
