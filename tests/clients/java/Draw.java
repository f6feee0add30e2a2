import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.regex.Pattern;

/** Submits, waits and fetches with the JDK's own client and its defaults. */
public class Draw {
    public static void main(String[] arguments) throws Exception {
        var base = URI.create(System.getenv("LOGO_URL"));
        var client = HttpClient.newHttpClient();
        var body = "{\"prompt\": \"a red fox head, geometric\", \"sizes\": [256]}";
        var submit = HttpRequest.newBuilder(base.resolve("/api/jobs"))
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(body))
                .build();
        var location = client.send(submit, BodyHandlers.ofString()).headers().firstValue("Location").orElseThrow();
        var wait = HttpRequest.newBuilder(base.resolve(location + "?wait=25&include=none")).build();
        var ended = Pattern.compile("\"status\":\"(succeeded|failed|canceled|expired)\"");
        while (!ended.matcher(client.send(wait, BodyHandlers.ofString()).body()).find()) {}
        var fetch = HttpRequest.newBuilder(base.resolve(location + "/images/256.png")).build();
        var status = client.send(fetch, BodyHandlers.ofFile(Path.of("256.png"))).statusCode();
        if (status != 200) throw new IllegalStateException("the image is answered " + status);
    }
}
