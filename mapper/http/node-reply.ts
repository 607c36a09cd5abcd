import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { ServerResponse } from '../../runtime/node-http.ts';
import type { Head } from './answer-head.ts';
import { connectionOf } from './connection.ts';
import { answer, type PreparedAnswer } from './plain-answer.ts';
import { toRawHead } from './raw-head.ts';
import type { Reply } from './reply.ts';
import { headerOf, queryOf } from './request-facts.ts';

/** A response of Node that the fast paths can write, and that tells its connection when it is finished. */
export class NodeReply<Request extends IncomingMessage = IncomingMessage>
  extends ServerResponse<Request>
  implements Reply
{
  get method(): string | undefined {
    return this.req.method;
  }

  get url(): string | undefined {
    return this.req.url;
  }

  get query(): string | undefined {
    return queryOf(this.req.url);
  }

  get peer(): Socket {
    return this.req.socket;
  }

  get head(): string {
    return toRawHead(this.req.rawHeaders);
  }

  get headStart(): number {
    return 0;
  }

  header(name: string): string | undefined {
    return headerOf(this.req, name);
  }

  /**
   * In one write, if the connection stays open and it is this answer's turn. `writeHead` and `end` take
   * longer than everything else that a redirect from memory needs.
   */
  send(head: Head, body: string, first: string, second: string, third?: string): void {
    const { socket } = this;
    const ends = socket === null ? undefined : connectionOf(socket)?.ends;
    if (ends !== undefined && this.shouldKeepAlive && !this.destroyed && socket?.writable === true) {
      socket.write(head.toText(ends.keepAlive, first, second, third) + body, 'latin1');
      // Node emits this for its own answers. It frees the connection for the next request.
      this.emit('finish');
      return;
    }
    head.write(this, first, second, third);
    this.end(body);
  }

  sendPrepared(prepared: PreparedAnswer, requestId: string): void {
    answer(this, prepared, requestId);
  }

  override detachSocket(socket: Socket): void {
    super.detachSocket(socket);
    connectionOf(socket)?.answered(this);
  }
}
