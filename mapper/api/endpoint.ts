import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { Accounts } from '../auth/accounts.ts';
import type { Administration } from '../auth/administration.ts';
import type { DomainBlocking } from '../auth/domain-blocking.ts';
import type { Access } from '../auth/guard.ts';
import type { Identity } from '../auth/identities.ts';
import type { Secret } from '../auth/secrets.ts';
import type { Webhooks } from '../webhooks/webhooks.ts';
import type { BodyStream } from '../http/body-stream.ts';
import type { FieldError, ProblemKind } from '../http/problem.ts';
import type { Orphans } from '../orphans/orphans.ts';
import type { AdminLinks } from './admin-links.ts';
import type { BulkChanges } from './bulk-changes.ts';
import type { BulkService } from './bulk-service.ts';
import type { ContentReply, DeclaredContents, NotModified } from './content.ts';
import type { ExportService } from './export-service.ts';
import type { Group } from './groups.ts';
import type { ImageService } from './image-service.ts';
import type { ImportService } from './import-service.ts';
import type { LinkMaking } from './link-making.ts';
import type { LinkService } from './link-service.ts';
import type { LiveService } from './live-service.ts';
import type { QrService } from './qr-service.ts';
import type { StatisticsService } from './statistics-service.ts';

/** What the answers of endpoints are made with. */
export interface Services {
  readonly accounts: Accounts;
  readonly links: LinkService;
  readonly making: LinkMaking;
  readonly bulk: BulkService;
  readonly bulkChanges: BulkChanges;
  readonly exports: ExportService;
  /** Undefined: there are no images. */
  readonly images: ImageService | undefined;
  readonly imports: ImportService;
  readonly qr: QrService;
  readonly live: LiveService;
  readonly orphans: Pick<Orphans, 'top'>;
  readonly statistics: StatisticsService;
  readonly adminLinks: AdminLinks;
  readonly administration: Administration;
  readonly domains: DomainBlocking;
  readonly webhooks: Webhooks;
}

type Shape = Readonly<Record<string, z.ZodType>>;
type ObjectSchema = z.ZodObject<Shape>;
type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;

type IdentityOf<A extends Access> = A extends 'anyone'
  ? undefined
  : A extends { readonly optional: unknown }
    ? Identity | undefined
    : Identity;

/** A request whose sender was let in, and whose every part was checked. */
export interface ApiRequest<A extends Access, P, Q, B, S> {
  /** Who sent it. Undefined: nobody asked, or nobody who is known. */
  readonly identity: IdentityOf<A>;
  /**
   * Who sent it, asked again: his key may be revoked, or his account deleted, while a long request is under
   * way. Such a request asks before each part of its work. From memory, as long as it is remembered there.
   * @throws Problem 401, 403, 503
   */
  readonly identifyAgain: () => Promise<IdentityOf<A>>;
  readonly params: Parsed<P>;
  readonly query: Parsed<Q>;
  readonly body: Parsed<B>;
  /** The body of an endpoint with `bodyTypes`. Nothing of it is checked. */
  readonly stream: S extends DeclaredContents ? BodyStream : undefined;
  readonly headers: IncomingHttpHeaders;
  /** The address from which it comes, also where there are no limits; of IPv6 that of a network. */
  readonly addressOf: () => string | undefined;
  /** Of an endpoint that is `repeatable`. */
  readonly idempotencyKey: string | undefined;
}

/** What an endpoint answers. Status, headers of security and `Cache-Control` come from its declaration. */
export interface ApiReply<T> {
  readonly body: T;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of an endpoint that `finds`: it has found what it would have made. */
  readonly isFound?: boolean;
  /** A session that begins; null: the session of the request has ended. */
  readonly session?: Secret | null;
}

/** The part of a declaration from which the document and the page are made. */
export interface Declared {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** As OpenAPI writes it: `/users/me/keys/{key_id}`. */
  readonly path: string;
  /** The name of the operation in generated clients. */
  readonly name: string;
  readonly group: Group;
  /** One line for the table of endpoints, without a full stop. */
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  /**
   * `anonymous`: a request of nobody who is known counts for it. `sign-in`: it tries a password, so it counts
   * for the address, and for the account of which it is known.
   */
  readonly limit?: 'anonymous' | 'sign-in';
  readonly params?: ObjectSchema;
  readonly query?: ObjectSchema;
  /** Headers that it obeys beside those that follow from `conditional`, `hasRanges` and `repeatable`. */
  readonly obeys?: ObjectSchema;
  readonly body?: z.ZodType;
  /** Of the JSON of `body`. Default: 64 KiB. */
  readonly maxBodyBytes?: number;
  /** Instead of `body`: the types of bodies that `handle` reads as a stream, whatever their size. */
  readonly bodyTypes?: DeclaredContents;
  /** How long such a body may take to be sent, however fast its client is. Default: for ever. */
  readonly maxBodyMs?: number;
  /** `read`: it obeys If-None-Match. `change`: it obeys If-Match. Both answer with an ETag. */
  readonly conditional?: 'read' | 'change';
  /** It obeys Range. */
  readonly hasRanges?: true;
  /**
   * It obeys Idempotency-Key and `find_if_exists`: for the whole request, then it answers 200 with a link
   * that it has found, or for each of its items.
   */
  readonly repeatable?: 'request' | 'items';
  /** It obeys `find_if_exists`: what that 200 is. */
  readonly finds?: string;
  readonly status: 200 | 201 | 202 | 204;
  /** The JSON of the answer; undefined: it has no body. */
  readonly answer?: z.ZodType;
  /** The types of answers that are a {@link ContentReply}. */
  readonly answerTypes?: DeclaredContents;
  /** What the answer is, for the document. */
  readonly means: string;
  /** The problems beside those that follow from access, query and body (`problemsOf`). */
  readonly problems?: readonly ProblemKind[];
  /** A body of a request, for page and document. The tests send it. */
  readonly example?: Readonly<Record<string, unknown>>;
  /** The JSON of an answer to it. The tests compare its fields with those of a real answer. */
  readonly exampleAnswer?: Readonly<Record<string, unknown>>;
  /** GET on the same path shows people a form for it. */
  readonly hasPage?: true;
  /** A fast path of its own answers it: the router leaves it alone. */
  readonly isServedElsewhere?: true;
  /**
   * What `handle` would refuse as well, of a request that the declaration refuses already. So everything that
   * is wrong is told at the same time.
   */
  readonly faultsOf?: (services: Services, sent: Sent) => readonly FieldError[];
}

/** The parts of a request of which one is not as it is declared. */
export interface Sent {
  readonly identity: Identity | undefined;
  readonly query: unknown;
  readonly body: unknown;
}

export interface Endpoint extends Declared {
  /** The router has checked that the request is what the declaration says. */
  readonly handle?: (
    services: Services,
    request: ApiRequest<Access, ObjectSchema, ObjectSchema, z.ZodType, DeclaredContents>,
  ) => Promise<ApiReply<unknown> | ContentReply | NotModified>;
}

/** The parts whose types depend on each other. */
type Refined =
  'access' | 'params' | 'query' | 'body' | 'bodyTypes' | 'answer' | 'answerTypes' | 'exampleAnswer';

/**
 * Declares an endpoint: once, for the router, the checks of its requests, the OpenAPI document, the page
 * docs/api.md and the tests. Add it to `ENDPOINTS` (`endpoints.ts`).
 */
export function endpoint<
  const A extends Access,
  P extends ObjectSchema | undefined = undefined,
  Q extends ObjectSchema | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  O extends z.ZodType | undefined = undefined,
  S extends DeclaredContents | undefined = undefined,
  C extends DeclaredContents | undefined = undefined,
>(
  declared: Omit<Declared, Refined> & {
    readonly access: A;
    readonly params?: P;
    readonly query?: Q;
    readonly body?: B;
    readonly bodyTypes?: S;
    readonly answer?: O;
    readonly answerTypes?: C;
    readonly exampleAnswer?: O extends z.ZodType ? z.input<O> : never;
    readonly handle?: (
      services: Services,
      request: ApiRequest<A, P, Q, B, S>,
    ) => Promise<
      | ApiReply<O extends z.ZodType ? z.input<O> : undefined>
      | (C extends DeclaredContents ? ContentReply : never)
      | NotModified
    >;
  },
): Endpoint {
  return declared as unknown as Endpoint;
}
