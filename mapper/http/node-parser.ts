import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** Node's parser of requests, as far as we use it. It is not documented. */
export interface Parser {
  /** The headers of a request are complete. @returns a code of the parser; 0: go on */
  onIncoming: (request: IncomingMessage, shouldKeepAlive: boolean) => number;
  resume(): void;
  /** Whose body arrives. */
  incoming: IncomingMessage | null;
  readonly constructor: { readonly kOnBody: number };
  /** Among others, under `kOnBody`: a piece of the body has arrived. */
  [event: number]: BodyListener | undefined;
}

type BodyListener = (bytes: Buffer) => void;

/**
 * Makes the parser of a socket report each piece of a body. `take` says whether the piece, and what follows,
 * is wanted: the parser cannot be stopped there, so it drops the rest of its bytes.
 */
export function watchBody(
  socket: Socket & { readonly parser?: Parser | null },
  take: (bytes: number) => boolean,
): void {
  const { parser } = socket;
  if (!parser) return;
  const { kOnBody } = parser.constructor;
  const onBody = parser[kOnBody];
  let watch: BodyListener | undefined = (bytes) => {
    if (take(bytes.length)) onBody?.call(parser, bytes);
    else {
      parser[kOnBody] = watch = undefined;
      // The request is never complete, so its handler does not take for whole what it has got.
      parser.incoming = null;
    }
  };
  parser[kOnBody] = watch;
  // Node gives the parser to other connections, after CONNECT already before the close.
  socket.once('close', () => {
    if (parser[kOnBody] === watch) parser[kOnBody] = onBody;
  });
}
