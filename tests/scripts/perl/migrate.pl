# A tree of folders goes from VMUSER1 to VMUSER2 with the calls of Mail::IMAPClient that imapsync makes, and is taken away again.
# Arguments: the ports imap and imaps, and the way to connect and log in.
use strict;
use warnings;
use Mail::IMAPClient;
use IO::Socket::SSL;

my ($port, $tls_port, $way) = @ARGV;
my $tls = [SSL_verify_mode => SSL_VERIFY_NONE];

sub session {
    my ($user) = @_;
    my %how = (
        Server => '127.0.0.1', Port => $port, User => "VMUSER$user", Password => "SECRET$user",
        Uid => 1, Peek => 1, Timeout => 120, Fast_io => 1, Maxcommandlength => 1000, Keepalive => 1,
    );
    $how{Starttls} = $tls if $way =~ /starttls/;
    @how{'Port', 'Ssl'} = ($tls_port, $tls) if $way =~ /imaps/;
    $how{Authmechanism} = uc $1 if $way =~ /(plain|login|cram-md5)/;
    $how{Compress} = 1 if $way =~ /compress/;
    return Mail::IMAPClient->new(%how) // die "no session: $@";
}

sub check {
    my ($what, $good, @more) = @_;
    die "$way: $what: @{[map { $_ // 'undef' } @more]}\n" unless $good;
    return $good;
}

# Flags but \Recent, in one string.
sub kept { return join ' ', sort grep { !/Recent/i } @_ }

my ($from, $to) = (session(1), session(2));
check('capability', $from->has_capability($_), $_) for qw(IMAP4rev1 UIDPLUS MOVE NAMESPACE QUOTA ACL SORT THREAD=REFERENCES);
check('separator', $from->separator eq '/', $from->separator);
check('namespace', $from->namespace->[0][0][1] eq '/');
check('quota root', (grep { /STORAGE \d+ \d+/ } $from->getquotaroot('INBOX')));
check('quota', $from->quota('VMUSER1') > 0 && defined $from->quota_usage('VMUSER1'));

my @tree = ('Mig', 'Mig/Sub one', 'Mig/Sub one/a"b', 'Mig/back\\slash', 'Mig/(par)', 'Mig/&ZeVnLIqe-');
my $number = 0;
for my $folder (@tree) {
    check("create $folder", $from->create($folder), $from->LastError);
    check("subscribe $folder", $from->subscribe($folder), $from->LastError);
    for my $n (1 .. 5) {
        $number++;
        my $text = "From: a\@example.org\r\nMessage-ID: <$number.mig\@example.org>\r\nSubject: m $number\r\n\r\n"
            . 'body ' x ($n * 50) . "\r\n";
        my $date = sprintf '%2d-Nov-2020 10:%02d:00 +0200', $n + 1, $number;
        my $uid = $from->append_string($folder, $text, $n % 2 ? '\\Seen $Work' : '\\Flagged \\Answered', $date);
        check("append $folder", $uid && $uid == $n, $uid, $from->LastError);
    }
}
check('a second create', !$from->create('Mig') && $from->LastError =~ /NO \[ALREADYEXISTS\]/, $from->LastError);
my @listed = sort grep { /^Mig/ } $from->folders;
check('folders', "@listed" eq join(' ', sort @tree), @listed);
my %hash = map { $_->{name} => $_ } @{ $from->folders_hash('Mig*') };
check('folders_hash', keys %hash == @tree && "@{$hash{'Mig/Sub one'}{attrs}}" =~ /HasChildren/, keys %hash);
check('subscribed', (grep { /^Mig/ } $from->subscribed) == @tree);

for my $folder (@tree) {
    check("create $folder", $to->create($folder), $to->LastError) unless $to->exists($folder);
    check("examine $folder", $from->examine($folder) && $to->select($folder), $from->LastError);
    my @uids = $from->messages;
    check('count', @uids == 5 && $from->message_count == 5 && $from->uidnext($folder) == 6, @uids);
    my $data = $from->fetch_hash(\@uids, 'RFC822.SIZE', 'INTERNALDATE', 'FLAGS');
    my $headers = $from->parse_headers(\@uids, 'Message-ID', 'Subject');
    for my $uid (@uids) {
        my ($text, $date, @flags) = ($from->message_string($uid), $from->internaldate($uid), $from->flags($uid));
        @flags = grep { !/Recent/i } @flags;
        check('size', length $text == $data->{$uid}{'RFC822.SIZE'}, $uid);
        check('date', $date eq $data->{$uid}{INTERNALDATE}, $uid, $date);
        check('flags', kept(@flags) eq kept(split ' ', $data->{$uid}{FLAGS}), $uid, @flags);
        my $id = $headers->{$uid}{'Message-ID'}[0];
        check("find $id", "@{[$from->search('HEADER', 'Message-ID', $from->Quote($id))]}" eq $uid);
        check("$id is not there yet", !@{[$to->search('HEADER', 'Message-ID', $to->Quote($id))]});
        my $copy = $to->append_string($folder, $text, "@flags", $date);
        check("copy of $id", $copy, $to->LastError);
        check('text', $to->message_string($copy) eq $text, $copy);
        check('date there', $to->internaldate($copy) eq $date, $copy);
        check('flags there', kept($to->flags($copy)) eq kept(@flags), $copy);
    }
}

check('select', $to->select('Mig'));
sub found { return join ' ', $to->search(@_) }
check('SEEN', found('SEEN') eq '1 3 5', found('SEEN'));
check('NOT', found('NOT', 'SEEN') eq '2 4', found('NOT', 'SEEN'));
check('SINCE', found('SINCE', '4-Nov-2020') eq '3 4 5', found('SINCE', '4-Nov-2020'));
check('KEYWORD', found('KEYWORD', '$Work') eq '1 3 5', found('KEYWORD', '$Work'));
check('SUBJECT', found('SUBJECT', \'m 4') eq '4', found('SUBJECT', \'m 4'));
check('sort', "@{[$to->sort('REVERSE SUBJECT', 'UTF-8', 'ALL')]}" eq '5 4 3 2 1');
check('thread', @{ $to->thread('REFERENCES', 'UTF-8', 'ALL') } == 5);
check('envelope', $to->get_envelope(1)->{messageid} eq '<1.mig@example.org>');
check('body structure', $to->get_bodystructure(1)->bodytype eq 'TEXT');
check('copy', $to->copy('Mig/Sub one', 1, 2), $to->LastError);
check('move', $to->move('Mig/Sub one', 3), $to->LastError);
check('delete', $to->delete_message(1) && $to->expunge, $to->LastError);
check('left', "@{[$to->messages]}" eq '2 4 5', $to->messages);
check('UID EXPUNGE', $to->delete_message(2, 4) && $to->uidexpunge(4), $to->LastError);
check('left', "@{[$to->messages]}" eq '2 5', $to->messages);
check('rename', $to->rename('Mig/Sub one', 'Mig/Renamed') && $to->exists('Mig/Renamed/a"b'), $to->LastError);
check('arrived', $to->select('Mig/Renamed') && $to->message_count == 8, $to->message_count);
check('rights', $to->setacl('Mig', 'VMUSER1', 'lrs') && $to->getacl('Mig')->{VMUSER1} =~ /^[lrs]{3}$/, $to->LastError);

my $idle = check('IDLE', $to->idle);
my $news = '';
check('append', $from->append_string('INBOX', "Subject: none of its business\r\n\r\n"));
my $other = session(2);
check('append', $other->append_string('Mig/Renamed', "Subject: news\r\n\r\n"));
for (1 .. 120) {
    $news .= join '', @{ $to->idle_data(1) // [] };
    last if $news =~ /9 EXISTS/;
}
check('news', $news =~ /9 EXISTS/, $news);
check('DONE', $to->done($idle), $to->LastError);

for my $session ($from, $to) {
    for my $folder (sort { length $b <=> length $a } grep { /^Mig/ } $session->folders) {
        check("delete $folder", $session->unsubscribe($folder) && $session->delete($folder), $session->LastError);
    }
    check('nothing left', !grep { /^Mig/ } $session->folders, $session->subscribed);
}
check('logout', $_->logout) for $from, $to, $other;
print "done\n";
