import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

/** Polls a job with the JDK's own client: `Poll.java POLLS`. Prints as poll_requests.py does. */
public class Poll {
    public static void main(String[] arguments) throws Exception {
        var submit = System.getenv("LOGO_URL") + "/api/jobs";
        var pause = (long) (1000 * Double.parseDouble(System.getenv("POLL_SECONDS")));
        var client = HttpClient.newHttpClient();
        var get = HttpRequest.newBuilder(URI.create(submit + "/" + System.getenv("JOB"))).build();
        var post = HttpRequest.newBuilder(URI.create(submit))
                .headers("Content-Type", "application/json", "Idempotency-Key", System.getenv("KEY"))
                .POST(BodyPublishers.ofString(System.getenv("BODY")))
                .build();
        int answered = 0, refused = 0, cut = 0;
        for (int poll = 0; poll < Integer.parseInt(arguments[0]); poll++) {
            try {
                var status = client.send(poll % 2 == 1 ? post : get, BodyHandlers.discarding()).statusCode();
                if (status < 300) answered++;
                else refused++;
            } catch (IOException error) {
                error.printStackTrace();
                cut++;
            }
            Thread.sleep(pause);
        }
        System.out.println("{\"answered\": %d, \"refused\": %d, \"cut\": %d}".formatted(answered, refused, cut));
    }
}
