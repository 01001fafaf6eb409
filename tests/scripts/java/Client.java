// What a Java program does with a mailbox through Jakarta Mail: over STARTTLS and COMPRESS, with UTF8=ACCEPT, which it enables by itself.
// Arguments: port, user, password. The first thing that is not as it should be ends it with a stack trace.

import com.sun.mail.imap.*;
import java.util.*;
import java.util.concurrent.*;
import javax.mail.*;
import javax.mail.event.*;
import javax.mail.internet.*;
import javax.mail.search.*;

public class Client {
    static final Session SESSION = Session.getInstance(settings());
    static String port, user, password;

    static Properties settings() {
        Properties settings = new Properties();
        settings.put("mail.imap.starttls.required", "true");
        settings.put("mail.imap.ssl.trust", "*");
        settings.put("mail.imap.compress.enable", "true");
        return settings;
    }

    static void same(Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) throw new AssertionError("found " + found + ", wanted " + wanted);
    }

    static IMAPStore connect() throws Exception {
        IMAPStore store = (IMAPStore) SESSION.getStore("imap");
        store.connect("localhost", Integer.parseInt(port), user, password);
        return store;
    }

    static IMAPFolder created(IMAPStore store, String name) throws Exception {
        IMAPFolder folder = (IMAPFolder) store.getFolder(name);
        same(folder.exists(), false);
        same(folder.create(Folder.HOLDS_MESSAGES | Folder.HOLDS_FOLDERS), true);
        same(folder.exists(), true);
        return folder;
    }

    static MimeMessage message(int n) throws Exception {
        MimeMessage message = new MimeMessage(SESSION);
        message.setFrom("a" + n + "@example.org");
        message.setRecipients(Message.RecipientType.TO, "x@example.org");
        message.setSubject("Subject " + n + " gr\u00f6\u00dfer", "UTF-8");
        message.setSentDate(new Date(1_700_000_000_000L + n * 1_000_000L));
        MimeBodyPart text = new MimeBodyPart(), file = new MimeBodyPart();
        text.setText("Hallo Welt " + n + "\n\u00e4\u00f6", "UTF-8");
        file.setContent("data " + n, "text/plain");
        file.setFileName("d\u00e4.txt");
        message.setContent(new MimeMultipart(text, file));
        message.saveChanges();
        return message;
    }

    static void reads(IMAPFolder folder) throws Exception {
        FetchProfile profile = new FetchProfile();
        profile.add(FetchProfile.Item.ENVELOPE);
        profile.add(FetchProfile.Item.CONTENT_INFO);
        profile.add(FetchProfile.Item.SIZE);
        profile.add(UIDFolder.FetchProfileItem.UID);
        profile.add(IMAPFolder.FetchProfileItem.HEADERS);
        profile.add(IMAPFolder.FetchProfileItem.INTERNALDATE);
        folder.fetch(folder.getMessages(), profile);
        for (int n = 0; n < 5; n++) {
            Message message = folder.getMessage(n + 1);
            same(message.getSubject(), "Subject " + n + " gr\u00f6\u00dfer");
            same(message.getSentDate(), new Date(1_700_000_000_000L + n * 1_000_000L));
            Multipart parts = (Multipart) message.getContent();
            same(parts.getCount(), 2);
            same(parts.getBodyPart(0).getContent().toString(), "Hallo Welt " + n + "\r\n\u00e4\u00f6");
            same(MimeUtility.decodeText(parts.getBodyPart(1).getFileName()), "d\u00e4.txt");
        }
    }

    static void searches(IMAPFolder folder) throws Exception {
        Map<SearchTerm, Integer> terms = new LinkedHashMap<>();
        terms.put(new SubjectTerm("SUBJECT 3"), 1);
        terms.put(new FromStringTerm("a1@"), 1);
        terms.put(new BodyTerm("Welt"), 5);
        terms.put(new SentDateTerm(ComparisonTerm.GE, new Date(1_700_000_000_000L)), 5);
        terms.put(new SizeTerm(ComparisonTerm.GT, 100_000), 0);
        terms.put(new FlagTerm(new Flags(Flags.Flag.SEEN), false), 0);
        terms.put(new NotTerm(new SubjectTerm("Subject 1")), 4);
        terms.put(new OrTerm(new SubjectTerm("Subject 1"), new SubjectTerm("Subject 2")), 2);
        terms.put(new MessageIDTerm(((MimeMessage) folder.getMessage(2)).getMessageID()), 1);
        terms.put(new ModifiedSinceTerm(1), 5);
        for (Map.Entry<SearchTerm, Integer> term : terms.entrySet()) same(folder.search(term.getKey()).length, term.getValue());
        Message[] sorted = folder.getSortedMessages(new SortTerm[] {SortTerm.REVERSE, SortTerm.FROM});
        same(sorted[0].getMessageNumber(), 5);
    }

    static void changes(IMAPStore store, IMAPFolder folder) throws Exception {
        IMAPFolder other = created(store, "B\u00fcro/Kopie");
        Flags flags = new Flags("wichtig");
        flags.add(Flags.Flag.FLAGGED);
        folder.setFlags(folder.getMessages(), flags, true);
        folder.setFlags(1, 2, new Flags(Flags.Flag.SEEN), false);
        same(folder.getUnreadMessageCount(), 2);
        same(folder.copyUIDMessages(new Message[] {folder.getMessage(1), folder.getMessage(3)}, other)[1].uid, 2L);
        same(folder.moveUIDMessages(new Message[] {folder.getMessage(2)}, other)[0].uid, 3L);
        folder.getMessage(1).setFlag(Flags.Flag.DELETED, true);
        folder.getMessage(5).setFlag(Flags.Flag.DELETED, true);
        folder.expunge(new Message[] {folder.getMessage(5)});
        same(folder.getMessagesByUID(1, UIDFolder.LASTUID).length, 3);
        same(other.getMessageCount(), 3);
        same(other.renameTo(store.getFolder("B\u00fcro/Neu")), true);
        same(store.getFolder("B\u00fcro/Neu").delete(true), true);
    }

    static void rights(IMAPStore store, IMAPFolder folder) throws Exception {
        folder.addACL(new ACL("VMUSER2", new Rights("lrs")));
        same(folder.getACL().length, 2);
        folder.removeACL("VMUSER2");
        same(folder.getACL().length, 1);
        same(folder.myRights().contains(Rights.Right.ADMINISTER), true);
        same(store.getQuota("INBOX")[0].resources[0].name, "STORAGE");
        same(store.getPersonalNamespaces().length, 1);
        same(store.id(Map.of("name", "Client")).get("name"), "IMAPMAIN");
    }

    static void events(IMAPFolder folder, IMAPFolder elsewhere) throws Exception {
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        folder.addMessageCountListener(new MessageCountAdapter() {
            public void messagesAdded(MessageCountEvent event) {
                told.add("added " + event.getMessages().length);
            }

            public void messagesRemoved(MessageCountEvent event) {
                told.add("removed " + event.getMessages().length);
            }
        });
        folder.addMessageChangedListener(event -> told.add("changed"));
        Thread idler = new Thread(() -> {
            try {
                while (folder.isOpen()) folder.idle();
            } catch (MessagingException | IllegalStateException end) {
                told.add("idle ended");
            }
        });
        idler.setDaemon(true);
        idler.start();
        elsewhere.appendMessages(new Message[] {message(7)});
        same(told.poll(60, TimeUnit.SECONDS), "added 1");
        elsewhere.getMessage(2).setFlag(Flags.Flag.ANSWERED, true);
        same(told.poll(60, TimeUnit.SECONDS), "changed");
        elsewhere.expunge();
        same(told.poll(60, TimeUnit.SECONDS), "removed 1");
    }

    static void comesBack(IMAPStore store, String name) throws Exception {
        IMAPFolder folder = (IMAPFolder) store.getFolder(name);
        folder.open(Folder.READ_ONLY, ResyncData.CONDSTORE);
        long validity = folder.getUIDValidity(), modseq = folder.getHighestModSeq(), first = folder.getUID(folder.getMessage(1));
        folder.close(false);
        IMAPStore another = connect();
        IMAPFolder changed = (IMAPFolder) another.getFolder(name);
        changed.open(Folder.READ_WRITE);
        changed.getMessage(2).setFlag(Flags.Flag.DRAFT, true);
        changed.getMessage(1).setFlag(Flags.Flag.DELETED, true);
        changed.close(true);
        another.close();
        List<MailEvent> events = folder.open(Folder.READ_WRITE, new ResyncData(validity, modseq));
        same(events.size(), 2);
        same(((MessageVanishedEvent) events.get(0)).getUIDs()[0], first);
        same(((MessageChangedEvent) events.get(1)).getMessage().isSet(Flags.Flag.DRAFT), true);
        folder.close(false);
    }

    public static void main(String[] arguments) throws Exception {
        port = arguments[0];
        user = arguments[1];
        password = arguments[2];
        IMAPStore store = connect(), second = connect();
        String name = "B\u00fcro/\u65e5\u672c";
        IMAPFolder folder = created(store, name);
        folder.setSubscribed(true);
        same(store.getDefaultFolder().listSubscribed("B*").length, 1);
        Message[] messages = new Message[5];
        for (int n = 0; n < 5; n++) messages[n] = message(n);
        same(folder.appendUIDMessages(messages)[4].uid, 5L);
        folder.open(Folder.READ_WRITE);
        reads(folder);
        searches(folder);
        changes(store, folder);
        rights(store, folder);
        IMAPFolder elsewhere = (IMAPFolder) second.getFolder(name);
        elsewhere.open(Folder.READ_WRITE);
        events(folder, elsewhere);
        elsewhere.close(false);
        comesBack(second, name);
        System.out.println("all as it should be");
        System.exit(0);
    }
}
