import type { AdminPath } from '../admin-policy.ts';

/** Every path of a file begins with it. */
export const ASSETS_PATH = '/dashboard/static/';

const READ: AdminPath = { isOpen: true, methods: ['GET'] };
const FORM: AdminPath = { isOpen: true, methods: ['POST'], isForm: true };
const PATHS: Readonly<Record<string, AdminPath>> = {
  '/dashboard': READ,
  '/dashboard/events': READ,
  '/dashboard/login': FORM,
  '/dashboard/logout': FORM,
};

/** What a path of the dashboard offers; undefined if it is none. */
export function dashboardPathOf(path: string): AdminPath | undefined {
  return path.startsWith(ASSETS_PATH) ? READ : PATHS[path];
}
