/** The operators' part of the API, which has a description of its own. */
import createClient from "openapi-fetch";
import { CONSOLE_HEADER } from "../api/client";
import type { components, paths } from "./schema";

export type Operators = components["schemas"];

export const operators = createClient<paths>({ baseUrl: window.location.origin, headers: CONSOLE_HEADER });
