import { render } from "preact";
import { Console } from "./console";
import { language } from "./texts";
import "./style/tokens.css";
import "./style/base.css";
import "./style/shell.css";
import "./style/upscale.css";
import "./style/compare.css";
import "./style/lists.css";

document.documentElement.lang = language.value;
const root = document.getElementById("console");
if (root) render(<Console />, root);
