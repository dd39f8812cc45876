"""The parts of CloudFormation and CloudWatch that check-template needs: a template as it is deployed with some values of
its parameters, its rules, and what a metric filter matches. And how a check fails."""

import copy
import re

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

REGION = "us-east-1"


def transform(template, values):
    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # `sam package` puts an address there; the transform refuses a local folder.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    translator = Translator({}, Parser(), boto_session=boto3.session.Session(region_name=REGION))
    return translator.translate(template, dict(values))


def parameters(template, given):
    return {name: given.get(name, spec["Default"]) for name, spec in template["Parameters"].items()}


def settle(template, values):
    """The template with its conditions decided and its parameters replaced by their values."""
    specs, conditions = template.pop("Parameters"), template.pop("Conditions")
    template.pop("Rules")
    values = {name: value_of(specs[name], value) for name, value in values.items()}
    holds = {name: decide(condition, values) for name, condition in conditions.items()}
    for section in ("Resources", "Outputs"):
        template[section] = {
            name: {key: value for key, value in entry.items() if key != "Condition"}
            for name, entry in template[section].items()
            if "Condition" not in entry or holds[entry["Condition"]]
        }
    return replace(template, values, holds)


def accepted(template, values):
    values = {name: value_of(template["Parameters"][name], value) for name, value in values.items()}
    return all(
        decide(assertion["Assert"], values)
        for rule in template["Rules"].values()
        if decide(rule["RuleCondition"], values)
        for assertion in rule["Assertions"]
    )


def value_of(spec, given):
    return str(given).split(",") if spec["Type"] == "CommaDelimitedList" else given


def decide(expression, values):
    """A condition, or a rule's assertion; both know parameters only."""
    ((function, argument),) = expression.items()
    operand = lambda one: replace(one, values, {})
    match function:
        case "Fn::Equals":
            return operand(argument[0]) == operand(argument[1])
        case "Fn::Not":
            return not decide(argument[0], values)
        case "Fn::And":
            return all(decide(one, values) for one in argument)
        case "Fn::Or":
            return any(decide(one, values) for one in argument)
        case "Fn::EachMemberEquals":
            return all(member == argument[1] for member in operand(argument[0]))
    raise Failure(f"{function} in a condition is unknown to this check")


def replace(node, values, holds):
    """The node with its parameters, its `If`s, and what is text by then, worked out."""
    if isinstance(node, list):
        items = [replace(item, values, holds) for item in node]
        return [item for item in items if item != NO_VALUE]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Ref"}:
        return values.get(node["Ref"], node)
    if set(node) == {"Fn::If"}:
        condition, yes, no = node["Fn::If"]
        return replace(yes if holds[condition] else no, values, holds)
    entries = {key: replace(value, values, holds) for key, value in node.items()}
    entries = {key: value for key, value in entries.items() if value != NO_VALUE}
    match entries:
        case {"Fn::Join": [separator, [*items]]} if all(isinstance(item, str) for item in items):
            return separator.join(items)
        case {"Fn::Split": [separator, str(whole)]}:
            return whole.split(separator)
        case {"Fn::Sub": str(whole)}:
            return substitute(whole, values)
        case {"Fn::Sub": [whole, names]} if all(isinstance(value, str) for value in names.values()):
            return substitute(whole, {**values, **names})
    return entries


def substitute(whole, values):
    """A `Sub` with what is known filled in."""
    known = lambda match: str(values.get(match[1], match[0]))
    whole = re.sub(r"\$\{([\w:.]+)\}", known, whole)
    return {"Fn::Sub": whole} if "${" in whole else whole


def matches(pattern, line):
    """Whether a metric filter's pattern matches a line: comparisons of texts, joined by &&."""
    def compare(comparison):
        path, operator, wanted = re.fullmatch(r'\$\.([\w.]+) (=|!=) "([^"]*)"', comparison).groups()
        value = line
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value is not None and (value == wanted) == (operator == "=")

    return all(map(compare, pattern.strip("{ }").split(" && ")))


# How a check fails, and reads


class Failure(Exception):
    """A promise that the template breaks."""


NO_VALUE = {"Ref": "AWS::NoValue"}


def require(holds, promise):
    if not holds:
        raise Failure(promise)


def require_same(found, expected, what):
    if found == expected:
        return
    match found, expected:
        case (dict(), dict()) | (set(), set()):
            one, other = (value.items() if isinstance(value, dict) else value for value in (found, expected))
            missing = [entry for entry in other if entry not in one]
            extra = [entry for entry in one if entry not in other]
            raise Failure(f"{what}: missing {missing}, extra {extra}")
    raise Failure(f"{what}: {found} instead of {expected}")


def of_type(resources, kind):
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def listed(value):
    return value if isinstance(value, list) else [value]


def text(node):
    """A reference as a comparable text: `Sub`s as they stand, attributes as Name.Attribute."""
    match node:
        case {"Fn::Sub": [whole, names]}:
            known = lambda match: f"${{{text(names[match[1]])}}}" if match[1] in names else match[0]
            return re.sub(r"\$\{(\w+)\}", known, whole)
        case {"Fn::Sub": whole}:
            return whole
        case {"Fn::Join": [separator, parts]}:
            return separator.join(part if isinstance(part, str) else f"${{{text(part)}}}" for part in parts)
        case {"Fn::GetAtt": path}:
            return ".".join(listed(path))
        case {"Ref": name}:
            return name
    return node


def named_in(node):
    """The one resource that a reference is to."""
    whole = text(node)
    found = re.findall(r"\$\{(\w+)(?:\.Arn)?\}", whole) or [whole.split(".")[0]]
    return found[0]
