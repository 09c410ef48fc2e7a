/** Passes requests on to a server, and disturbs those that a test has named. */
import { once } from "node:events";
import http from "node:http";

/**
 * Starts a proxy in front of a server.
 *
 * Each fault of `faults` disturbs the next request whose path contains its `path`. `status` answers without
 * passing it on. `cut: "upload"` breaks off while the body comes, and `cut: "answer"` after the server has answered.
 * `cutAfter` passes on only so many bytes of the answer.
 */
export async function proxyTo(target) {
  const faults = [];
  const seen = [];
  const server = http.createServer((request, response) => {
    const at = faults.findIndex((fault) => request.url.includes(fault.path));
    const fault = at < 0 ? {} : faults.splice(at, 1)[0];
    seen.push({ method: request.method, path: request.url, headers: request.headers });
    if (fault.status) refuse(request, response, fault);
    else if (fault.cut === "upload") request.once("data", () => request.socket.destroy());
    else passOn(request, response, fault, new URL(target));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    faults,
    seen,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function refuse(request, response, { status, code, headers }) {
  request.resume();
  await once(request, "end");
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ success: false, message: "A fault of the test.", code, request_id: "test" }));
}

function passOn(request, response, fault, { hostname, port, host }) {
  const { method, url: path } = request;
  const onward = http.request(
    { hostname, port, method, path, headers: { ...request.headers, host } },
    (answer) => {
      if (fault.cut === "answer") {
        answer.resume().once("end", () => request.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode, answer.headers);
      response.flushHeaders();
      let left = fault.cutAfter ?? Infinity;
      answer.on("data", (chunk) => {
        response.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) setImmediate(() => request.socket.destroy());
      });
      answer.once("end", () => response.end());
    },
  );
  onward.on("error", () => request.socket.destroy());
  response.once("close", () => onward.destroy());
  request.pipe(onward);
}
